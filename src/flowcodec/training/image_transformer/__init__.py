"""Training of image-transformer: that of image-cnn, with recipes of its own."""
