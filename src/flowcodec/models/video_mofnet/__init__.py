"""video-mofnet: P-frames by learned flow and modes, and conditional coding (paper P)."""
