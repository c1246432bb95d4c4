"""Pictures <-> arrays. No torch, no network; imports nothing of ours but the errors.

files     which files are pictures, and writing that never leaves half a file
formats   the file formats, by name and suffix, and how each is written
opening   from a file's first bytes to the right Pillow reader, with a size limit
samples   from any Pillow mode and depth to 8-bit RGB or gray, and alpha
exif      turning pictures upright, and which tags may move between formats
picture   Picture, read_picture, write_picture
"""
