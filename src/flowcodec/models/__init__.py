"""One folder per system of the papers: its networks and presets."""
