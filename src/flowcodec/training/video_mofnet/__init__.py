"""Training of the P-frame models: sequences, their start, and unrolled rate and distortion."""
