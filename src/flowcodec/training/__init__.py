"""From a folder of pictures to weights: recipes, data, losses and the engine."""
