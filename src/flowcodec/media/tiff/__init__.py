"""TIFF pictures, from any depth, sign, order and arrangement of samples to 8-bit RGB or gray.

Files are taken apart here and not by Pillow, whose reader of TIFF knows some hundred combinations,
takes others for one of these, and reads uncompressed pixels by the name that a file once had. Its
libtiff undoes compression, strip by strip; what describes a picture is read by `containers.tiff`.

tags      the first directory of a file, strictly read
layout    how the pixels of the first picture are stored
refusals  ways of storing that are not read
coding    strips and tiles through libtiff
rows      the stored samples, from top to bottom
picture   open_tiff and tiff_samples: what the samples mean
"""
