"""The file formats: headers, units, checksums. Bytes only; SPEC.md beside this file describes them.

picture_file.py   pack_picture and parse_picture, the way in and out of a .fci file
header.py         the header of a picture
video_file.py     VideoWriter, read_groups and open_index, the ways in and out of a .fcv file
video_header.py   the header of a video
video_groups.py   what stands around the frames of a group, and the damage that is reported
video_frames.py   what stands in a frame
video_index.py    the index at the end of a video
video_walk.py     from group to group over whatever is damaged
fields.py         the tables by which headers are read, checked, written and shown
units.py          type, length, checksum, payload
numbers.py        fixed-size numbers, varints, CRC-32, and reading without running off the end
window.py         the next bytes of a stream
alpha.py          the lossless alpha plane
lossless.py       lossless samples of a tile
"""
