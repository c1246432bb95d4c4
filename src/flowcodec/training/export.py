"""From a network to a weight file."""

from __future__ import annotations

import copy
from pathlib import Path

from flowcodec.codecs.weights import save_weights
from flowcodec.models.image_cnn.model import ImageCnn

MODEL = "image-cnn"


def export(model: ImageCnn, metric: str, path: Path) -> bytes:
    """Write the weights of `model` in 16 bits, its prior as integers; returns their hash."""
    model = copy.deepcopy(model).cpu()
    transforms = {
        name: tensor.float().numpy()
        for name, tensor in model.state_dict().items()
        if not name.startswith("prior.") and name != "g_s.klt.weight"
    }
    return save_weights(path, MODEL, metric, model.config, transforms, model.prior.export())
