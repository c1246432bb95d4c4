"""Speed, memory and compression of the codecs. `make bench` runs `__main__`."""
