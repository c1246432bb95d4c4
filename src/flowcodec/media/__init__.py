"""Pictures, videos and flow <-> arrays. No torch, no network; of ours, imports the errors alone.

files     writing that never leaves half a file
folders   which files of a folder are pictures or videos, and what of it is left out
formats   the file formats, by name and suffix, and how each is written
opening   from a file's first bytes to the right reader, with a size limit
samples   from any Pillow mode and depth to 8-bit RGB or gray, and alpha
tiff      the same for TIFF files, which are taken apart here
containers  files taken apart: what describes the picture, and the rest; into side_data
exif      directories of tags, turning pictures upright; xmp, icc, colour: the rest of side data
metadata  what of it a format holds; stripping leaves it out, in sRGB
picture   Picture, read_picture, write_picture
video     frames of a video, a folder or a pipe, one after another, and a writer
flow      flow files; flow_view draws flow, flow_check finds what is hidden
flow_sets published data sets of flow, as they lie on disk
"""
