"""The file format: header, units, checksums. Bytes only; SPEC.md beside this file describes it.

picture_file.py   pack_picture and parse_picture, the way in and out of a .fci file
header.py         the header as one table that reading, writing and printing follow
units.py          type, length, checksum, payload
numbers.py        fixed-size numbers, varints, CRC-32, and reading without running off the end
alpha.py          the lossless alpha plane
"""
