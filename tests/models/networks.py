"""Small networks with any combination of switches."""

import torch
from torch import nn

from flowcodec.models.image_cnn.config import ImageCnnConfig
from flowcodec.models.image_cnn.model import ImageCnn

SMALL = {
    "strided": {"width": 6, "slices": (12,)},
    "patch": {"width": 4, "slices": (4, 8), "blocks": (1, 1)},
}


def small(
    transform: str, attention: str, components: int, refinement: bool, **other: object
) -> ImageCnn:
    """A network of a few thousand parameters, seeded; `other` fields of its config replaced."""
    torch.manual_seed(7)
    fixed = {"latent": 12, "hyper": 3, "features": 5, "hidden": (6, 6)}

    config = ImageCnnConfig(
        transform=transform,  # type: ignore[arg-type]
        attention=attention,  # type: ignore[arg-type]
        components=components,
        refinement=refinement,
        **{**SMALL[transform], **fixed, **other},  # type: ignore[arg-type]
    )
    return ImageCnn(config)


def fine(model: ImageCnn) -> ImageCnn:
    """Quantise in steps of 1/16, so that untrained latents are not all zero."""
    for gains in (model.prior.log_gain, model.log_inverse_gain, model.prior.hyper_log_gain):
        gains.table.data += 4
    return model


def shake(model: nn.Module) -> None:
    """Move every parameter off its start, so that no branch is silent."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
