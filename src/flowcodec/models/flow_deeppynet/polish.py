"""What the pictures themselves say of a flow, after the network. Not in the thesis; no weights.

A network that ends at a quarter of the size misses edges by some pixels. So each pixel takes the
flow of a place nearby where the pictures agree clearly better along it, as PatchMatch propagates
its matches (Barnes and others 2009).

Lucas-Kanade steps then find the fractions of a pixel (Lucas and Kanade 1981). Each warps the second
picture, and moves the flow by the least squares solution of brightness constancy in a window around
each pixel; gradients are those of the first step, the mean of both pictures'. Where the pictures
say little, a damping keeps the flow as it is. The sums over windows are taken at half the size: a
quarter of the work, and smoother.

At last flow settles: where the pictures say little, it goes to the mean of what is well known
around, if that is near. In smooth regions a network sees motion in noise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from flowcodec.nn.warp import sampled, warp

REACHES = (4, 2)  # pixels to the places nearby, one after another
CLEARLY = 0.01  # by which the pictures must differ less along another flow
ANOTHER = 0.25  # pixels by which it must differ to be tried
DAMPING = 2e-3  # added to the squared gradients, of pictures in [0, 1]
LARGEST = 1.0  # pixels of one step
HALF = 2  # factor by which sums are taken smaller
LIGHT = 8  # size of the blocks in which a change of brightness is taken out
BLOCK = 8  # size of the blocks in which flow settles
AROUND = 4  # windows of 5x5 blocks, one after another, that settling looks through
NEAR = 0.5  # pixels between a block's flow and that around, at most
FLOOR, NOISE = 2e-4, 16.0  # squared gradients that say something: at least, and times the residual


def polish(first: Tensor, second: Tensor, flow: Tensor, steps: int) -> Tensor:
    """Better flow (B, 2, H, W) from first to second (B, 3, H, W) than the given one."""
    if not steps:
        return flow
    first, second = first.contiguous(), second.contiguous()
    flow = propagate(first, second, flow)
    warped = warp(second, flow)
    pairs = zip(_gradient(first), _gradient(warped), strict=True)
    x, y = (ours.add_(theirs).div_(2) for ours, theirs in pairs)
    xx, xy, yy = _sums((x, x), (x, y), (y, y))
    xx, yy = xx + DAMPING, yy + DAMPING
    determinant = xx * yy - xy * xy
    for step in range(steps):
        if step:
            warped = warp(second, flow)
        change = warped - first
        change -= _blurred(change, LIGHT)
        xt, yt = _sums((x, change), (y, change))
        moved = torch.stack([xy * yt - yy * xt, xy * xt - xx * yt], 1) / determinant[:, None]
        flow = flow + _enlarged(moved, HALF, flow).clamp_(-LARGEST, LARGEST)
    return settle(first, change, flow)


def _sums(*pairs: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Sums of products over windows, at half the size: (B, H / 2, W / 2) each."""
    products = torch.cat([_product(a, b) for a, b in pairs], 1)
    return _window(_shrunk(products, HALF)).unbind(1)


def propagate(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """The flow of a place nearby where that is clearly better, else as it is."""
    pairs = zip(_seen(first).split(1), _seen(second).split(1), flow.split(1), strict=True)
    return torch.cat([_propagated(ours, theirs, given) for ours, theirs, given in pairs])


def _propagated(ours: Tensor, theirs: Tensor, flow: Tensor) -> Tensor:
    """The same of one pair, as `_seen`. Where both flows are almost one, nothing is compared."""
    height, width = flow.shape[2:]
    listed = ours[0].flatten(1)
    apart = (warp(theirs, flow) - ours).abs_().mean(1, keepdim=True)
    least = _mean_3x3(apart) - CLEARLY
    for reach in REACHES:
        around = F.pad(flow, (reach,) * 4, mode="replicate")
        for down, right in ((reach, 0), (reach, 2 * reach), (0, reach), (2 * reach, reach)):
            other = around[:, :, down : down + height, right : right + width]
            away = (other - flow)[0].abs_().flatten(1)
            tried = (torch.maximum(away[0], away[1]) > ANOTHER).nonzero()[:, 0]
            if not len(tried):
                continue
            places = torch.stack([tried % width, tried // width])
            places = places + other[0].flatten(1).index_select(1, tried)
            found = sampled(theirs, places[None, :, None])
            unlike = (found[0, :, 0] - listed.index_select(1, tried)).abs_()
            there = apart.flatten().index_copy(0, tried, unlike.mean(0)).view_as(apart)
            difference = _mean_3x3(there)
            better = difference < least
            flow = torch.where(better, other, flow)
            apart = torch.where(better, there, apart)
            least = torch.where(better, difference, least)
    return flow


def _seen(x: Tensor) -> Tensor:
    """Colours (B, 3, H, W) and the gradient of their mean, which light changes little."""
    return torch.cat([x, *_gradient(x.mean(1, keepdim=True))], 1)


def settle(first: Tensor, change: Tensor, flow: Tensor) -> Tensor:
    """Flow drawn to the mean of well-known flow around, the more the less the pictures say.

    first, change (B, 3, H, W): a picture and by how much the other differs from it along the flow.
    """
    x, y = _gradient(first)
    said = torch.cat([_product(x, x) + _product(y, y), _product(change, change)], 1)
    energy, residual = _window(_shrunk(said, BLOCK)).chunk(2, 1)
    known = (energy / (energy + FLOOR + NOISE * residual)).square()
    here = _shrunk(flow, BLOCK)
    sums = torch.cat([known * here, known], 1)
    for _ in range(AROUND):
        sums = _window(sums)
    away = sums[:, :2] / (sums[:, 2:] + 1e-6) - here
    near = torch.linalg.vector_norm(away, dim=1, keepdim=True) < NEAR
    return flow + _enlarged((1 - known) * near * away, BLOCK, flow)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Of colours (B, 3, H, W), the scalar product: (B, 1, H, W)."""
    product = a * b  # added up by hand: faster than a sum over so few
    return product[:, :1] + product[:, 1:2] + product[:, 2:]


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (
        (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).div_(2),
        (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).div_(2),
    )


def _window(x: Tensor) -> Tensor:
    """The mean over 5x5, weighted as two means over 3x3 are."""
    return _mean_3x3(_mean_3x3(x))


def _mean_3x3(x: Tensor) -> Tensor:
    """The mean over 3x3, added up by hand: ten times as fast as pooling of few channels."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = x[:, :, :-2] + x[:, :, 1:-1]
    rows += x[:, :, 2:]
    columns = rows[..., :-2] + rows[..., 1:-1]
    columns += rows[..., 2:]
    return columns.div_(9)


def _shrunk(x: Tensor, factor: int) -> Tensor:
    """Means of blocks, `factor` a power of two: faster by hand than pooling of few channels."""
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % factor, 0, -height % factor), mode="replicate")
    for _ in range(factor.bit_length() - 1):
        rows = x[:, :, ::2] + x[:, :, 1::2]
        x = (rows[..., ::2] + rows[..., 1::2]).div_(4)
    return x


def _enlarged(x: Tensor, factor: int, like: Tensor) -> Tensor:
    height, width = like.shape[2:]
    large = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    return large[:, :, :height, :width]


def _blurred(x: Tensor, factor: int) -> Tensor:
    return _enlarged(_window(_shrunk(x, factor)), factor, x)
