"""Layers that more than one model trains with (torch); coders too use `dct` and `patches`."""
