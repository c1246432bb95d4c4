"""One folder per system of the papers: networks, presets, costs, and what coders run of them."""
