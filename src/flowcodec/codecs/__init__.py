"""The coding loops: the only rooms where models, entropy, bitstream and media meet."""
