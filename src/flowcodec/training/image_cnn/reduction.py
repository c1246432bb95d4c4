"""Weights of a network of RGB as the start of one of planes in 4:2:0.

What lies behind the pixels is taken over: latents keep their meaning, so that the prior and the
trunks know what they see.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from flowcodec.models.image_cnn.model import ImageCnn
from flowcodec.nn.klt import SMALLEST_SPREAD, dct, fit_klt, spread_of
from flowcodec.nn.patches import RGB, WINDOWS, YUV420, dct_basis
from flowcodec.nn.planes import to_planes, to_rgb

LEAST_GAIN = 1e-6  # of correlation, by a swap

State = dict[str, Tensor]


@torch.no_grad()
def reduced(old: ImageCnn, patches: Tensor) -> ImageCnn:
    """The network of 4:2:0 that begins with what one of RGB has learned; both on the CPU.

    Its basis is the KLT of the planes, matched to the old one. Steps of the quantiser are the old
    ones. patches (n, 3, 16, 16): in [-1/2, 1/2].
    """
    new = ImageCnn(dataclasses.replace(old.config, planes="yuv420"))
    given, state = old.state_dict(), new.state_dict()
    for key, value in given.items():
        if value.shape == state[key].shape:
            state[key].copy_(value)
    before, spread = given["g_a.klt.weight"], given["g_a.spread"]
    planes = to_planes(patches, YUV420).flatten(1)
    basis = matched_klt(to_planes(before, YUV420).flatten(1), planes)
    coordinates = planes @ basis.T, patches.flatten(1) @ before.flatten(1).T
    ratio = torch.div(
        *(each.square().mean(0).sqrt().clamp(min=SMALLEST_SPREAD) for each in coordinates)
    )
    state["g_a.klt.weight"].copy_(basis.view_as(state["g_a.klt.weight"]))  # which g_s shares
    state["g_a.klt.bias"].mul_(ratio)
    shade = given["g_s.klt.bias"].view(1, 3, 1, 1).expand(-1, -1, YUV420.scale, YUV420.scale)
    state["g_s.klt.bias"].copy_(to_planes(shade, YUV420).flatten())
    for table in new.gain_tables:
        table.add_(torch.log2(ratio))
    coefficient_spread = spread_of(dct(planes, YUV420))[:, None, None]
    for side in ("g_a.", "g_s."):
        state[side + "spread"].copy_(spread * ratio[:, None, None])
        state[side + "correction.spread"].copy_(coefficient_spread)
        reduce_correction(given, state, side + "correction.")
    return new


def matched_klt(wanted: Tensor, planes: Tensor) -> Tensor:
    """The first M principal components of planes (any, n), in the order and with the signs in
    which they are most like the vectors `wanted` (M, n): as long as two are better swapped."""
    _, components = fit_klt(planes.numpy())
    klt = torch.from_numpy(components[:, : len(wanted)].T.copy()).float()
    alike = F.normalize(wanted) @ klt.T
    order = torch.arange(len(klt))
    while True:
        found = alike[:, order].abs()
        kept = found.diagonal()
        gain = found + found.T - kept[:, None] - kept
        one, other = divmod(int(gain.argmax()), len(klt))
        if gain[one, other] < LEAST_GAIN:
            return klt[order] * alike[:, order].diagonal().sign()[:, None]
        order[[one, other]] = order[[other, one]]


def reduce_correction(given: State, state: State, name: str) -> None:
    """What a correction sees and adds, from the coefficients of RGB to those of the planes."""
    bases = [torch.from_numpy(dct_basis(planes)) for planes in (RGB, YUV420)]
    reducing = to_planes(bases[0], YUV420).flatten(1) @ bases[1].flatten(1).T  # (192, 96)
    enlarging = to_rgb(bases[1], YUV420).flatten(1) @ bases[0].flatten(1).T  # (96, 192)
    table = name + "log_error.table"
    state[table].copy_(0.5 * torch.log2(torch.exp2(2 * given[table]) @ reducing.square()))
    errors = [torch.exp2(each[table].mean(0)) for each in (given, state)]
    spreads = [each[name + "spread"].flatten() for each in (given, state)]
    units = [[spread + error for spread, error in zip(spreads, errors, strict=True)]]
    units += [errors] * len(WINDOWS)
    stem = given[name + "stem.weight"].flatten(1)
    seen, relief = stem.tensor_split([len(units) * RGB.coefficients], 1)
    stems = [
        weight / unit[0] @ enlarging.T * unit[1]
        for weight, unit in zip(seen.split(RGB.coefficients, 1), units, strict=True)
    ]
    old, new = list(RGB.means), list(YUV420.means)
    for weight in relief.split(len(old), 1) if relief.numel() else ():
        stems.append(weight / errors[0][old] @ enlarging[new][:, old].T * errors[1][new])
    state[name + "stem.weight"].copy_(torch.cat(stems, 1)[..., None, None])
    carry = reducing.T * errors[0] / errors[1][:, None]
    out = given[name + "out.weight"]
    state[name + "out.weight"].copy_(torch.einsum("ij,jnyx->inyx", carry, out))
    state[name + "out.bias"].copy_(carry @ given[name + "out.bias"])
