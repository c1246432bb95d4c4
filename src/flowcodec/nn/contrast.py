"""Numbers of contrast masking, for whoever computes it, with torch or without."""

CONTRAST = 2 / 0.03**2  # of variances of pixels in [0, 1]: 2 sigma^2 over SSIM's second constant
LARGEST_MASK = 6.0  # octaves
