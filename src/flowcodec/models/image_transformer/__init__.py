"""The thesis's transformer-based picture codec, TICM (chapter 3.4)."""
