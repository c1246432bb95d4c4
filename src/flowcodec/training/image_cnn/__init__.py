"""Training of image-cnn."""
