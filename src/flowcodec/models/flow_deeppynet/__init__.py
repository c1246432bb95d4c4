"""flow-deeppynet: optical flow by three feature pyramids and residual refinement (thesis ch. 4)."""
