"""Training of flow-deeppynet."""
