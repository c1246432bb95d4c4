"""How image-transformer's networks and prior make a picture codec: as image-cnn's do."""

from __future__ import annotations

from flowcodec.codecs.systems.image_cnn import ImageCnnModel
from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.models.image_transformer.config import MAIN
from flowcodec.nn.patches import PATCH

WINDOW = 128  # pixels, of attention, aligned


class ImageTransformerModel(ImageCnnModel):
    """A `PictureModel`."""

    @staticmethod
    def reach_of(config: ImageCnnConfig) -> tuple[int, int]:
        """As image-cnn's, but windows of attention are seen whole. A merging or expanding of
        patches looks a position further: with "strided" into another window at each stage."""
        if config.transform == "strided":
            return MAIN * WINDOW, WINDOW
        reach, _ = ImageCnnModel.reach_of(config)
        return reach + 2 * PATCH, WINDOW
