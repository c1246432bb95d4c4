"""Speed and memory of the codec, and trials of its training. `make bench` runs `__main__`."""
