"""image-cnn: autoencoder with hyperprior, AAB, GMB and DIRB (thesis ch. 3.1-3.3)."""

from flowcodec.models.image_cnn.config import PRESETS, ImageCnnConfig
from flowcodec.models.image_cnn.model import ImageCnn, Output

__all__ = ["PRESETS", "ImageCnn", "ImageCnnConfig", "Output"]
