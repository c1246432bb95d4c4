"""image-cnn: autoencoder with hyperprior, AAB, GMB and DIRB (thesis ch. 3.1-3.3)."""
