"""Block transforms are convolutions, and leave tensors in the layout in which trunks are fast."""

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from flowcodec.models.image_cnn.config import PRESETS
from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.nn.blockwise import analyse, synthesise


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_they_are_strided_convolutions(layout: torch.memory_format) -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 3, 32, 48).contiguous(memory_format=layout)
    basis, bias = torch.randn(20, 3, 8, 8), torch.randn(20)
    y = analyse(x, basis, bias)
    torch.testing.assert_close(y, F.conv2d(x, basis, bias, stride=8), atol=1e-4, rtol=1e-5)
    assert y.is_contiguous(memory_format=torch.channels_last)
    back = synthesise(y, basis, bias[:3])
    wanted = F.conv_transpose2d(y, basis, bias[:3], stride=8)
    torch.testing.assert_close(back, wanted, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize(
    "switches", [{}, {"planes": "yuv420", "refinement": False}, {"masking": True}]
)
def test_convolutions_of_trunks_have_channels_last(switches: dict[str, object]) -> None:
    changes: dict[str, Any] = {"trunk": "gated", "relief": True, **switches}
    model = ImageCnn(dataclasses.replace(PRESETS["tiny"], **changes))
    seen = []

    def look(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

    for part in (model.g_a, model.g_s):
        for name, module in part.named_modules():
            if isinstance(module, nn.Conv2d) and name.startswith("correction"):
                module.register_forward_pre_hook(look)
    model(torch.rand(2, 3, 64, 64), torch.tensor([2.0, 5.0]))
    assert seen and all(seen)
