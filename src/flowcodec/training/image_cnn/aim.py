"""From one metric to another."""

from __future__ import annotations

from torch import Tensor

from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.models.image_cnn.transforms import PatchAnalysis, PatchSynthesis, in_steps
from flowcodec.training.aim import Aim, change_steps, finer_steps


def change_aim(model: ImageCnn, x: Tensor, before: Aim, after: Aim) -> None:
    """Set the steps for another metric; x: some pictures (B, 3, 16h, 16w) in [0, 1]."""
    assert isinstance(model.g_a, PatchAnalysis) and isinstance(model.g_s, PatchSynthesis)
    masking = model.g_a.masking
    octaves = None if masking is None else in_steps(masking(x))
    finer = finer_steps(model.g_a.klt.weight, x, before, after, octaves)
    corrections = [model.g_a.correction, model.g_s.correction]
    change_steps(model, finer, model.g_a.klt.weight, model.g_s.spread, corrections)
