"""Multi-channel cosine cost volume (thesis sec. 4.3, eq. 4.5), by matrix products over tiles.

A tile of positions of the first picture is compared with the window around it of the second by one
matrix product; of its results, those within reach of each position are kept. That is three times
the products needed, and still several times faster than taking them one displacement at a time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PRODUCTS = 1 << 20  # at most, unless one row of tiles has more: what a cache holds


def cost_volume(a: Tensor, b: Tensor, groups: int, radius: int) -> Tensor:
    """Cosine similarity of a(p) and b(p + d) for all d = (dy, dx) of up to `radius` a side.

    a, b (B, C, H, W), their channels in `groups` parts that are compared apart. The result is
    (B, groups * (2 radius + 1)^2, H, W): group by group, dy by dy, dx by dx. Beyond the border
    b is zero, and so is the similarity.
    """
    a, b = _unit(a, groups), _unit(b, groups)
    kind = a.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        # Autocast ends where `backward` begins: its products need one type from the start.
        a, b = (x.to(torch.get_autocast_dtype(kind)) for x in (a, b))
    if torch.onnx.is_in_onnx_export():
        return _drawn(a, b, radius)
    products: Tensor = _Products.apply(a, b, radius)
    return products


def _unit(x: Tensor, groups: int) -> Tensor:
    """Each group's vector at each position brought to length one: (B, G, C/G, H, W)."""
    batch, channels, height, width = x.shape
    x = x.contiguous()  # sums are slow over channels that lie together
    x = x.view(batch, groups, channels // groups, height, width)
    return x * torch.rsqrt(x.square().sum(2, keepdim=True) + 1e-8)


def _drawn(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """`_Products` by what graphs have operators for, row by row of the displacements, which takes
    little memory: of products that are padded by a row, each begins one further on than the one
    before, so that what is within reach comes to lie together."""
    size, reach = 2 * radius, 2 * radius + 1
    batch, groups, _, height, width = a.shape
    across = -width % size
    queries = F.pad(a, (0, across)).unflatten(4, (-1, size)).permute(0, 3, 4, 1, 5, 2)
    keys = F.pad(b, (radius, radius + across, radius, radius)).unflatten(4, (-1, size))
    keys = torch.cat([keys[..., :-1, :], keys[..., 1:, :]], 5).permute(0, 3, 4, 1, 2, 5)
    rows = []
    for down in range(reach):
        products = queries @ keys[:, down : down + height]  # (B, H, w, G, T, 2T)
        skewed = F.pad(products.flatten(4), (0, size)).unflatten(4, (size, 2 * size + 1))
        rows.append(skewed[..., :reach].transpose(3, 4))
    near = torch.stack(rows, 5)  # (B, H, w, T, G, reach, reach)
    volume = near.view(batch, height, width + across, groups * reach**2)
    return volume[:, :, :width].permute(0, 3, 1, 2)


class _Products(torch.autograd.Function):
    """Scalar products of a(p) and b(p + d), for tiles as wide as the reach to both sides."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, radius: int) -> Tensor:
        size = 2 * radius
        queries, keys = _tiles(a, size), _windows(b, size)
        ctx.save_for_backward(queries, keys)
        ctx.shape, ctx.radius = a.shape, radius
        batch, groups, _, height, width = a.shape
        rows, columns = queries.shape[1:3]
        reach = (size + 1) ** 2
        volume = queries.new_empty(batch, rows, size, columns, size, groups, size + 1, size + 1)
        space = queries.new_empty(_at_once(queries.shape))
        parts = (x.split(space.shape[1], 1) for x in (queries, keys, volume))
        for query, key, part in zip(*parts, strict=True):
            products = torch.matmul(query, key, out=space[:, : query.shape[1]])
            near = _near(products, radius)  # (B, h, w, G, T, T, reach, reach)
            part.copy_(near.permute(0, 1, 4, 2, 5, 3, 6, 7))
        flat = volume.view(batch, rows * size, columns * size, groups * reach)
        return flat[:, :height, :width].permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        queries, keys = ctx.saved_tensors
        batch, groups, channels, height, width = ctx.shape
        size = 2 * ctx.radius
        rows, columns = queries.shape[1:3]
        gradient = F.pad(
            gradients[0].permute(0, 2, 3, 1),
            (0, 0, 0, columns * size - width, 0, rows * size - height),
        )
        shape = (batch, rows, size, columns, size, groups, size + 1, size + 1)
        space = queries.new_zeros(_at_once(queries.shape))  # beyond reach it stays zero
        gradient = gradient.reshape(shape).permute(0, 1, 3, 5, 2, 4, 6, 7)
        from_keys, from_queries = [], []
        parts = (x.split(space.shape[1], 1) for x in (queries, keys, gradient))
        for query, key, part in zip(*parts, strict=True):
            scores = space[:, : query.shape[1]]
            _near(scores, ctx.radius).copy_(part)
            from_keys.append(scores @ key.transpose(-1, -2))
            from_queries.append(query.transpose(-1, -2) @ scores)
        to_a, to_b = torch.cat(from_keys, 1), torch.cat(from_queries, 1)
        full = (batch, rows, columns, groups, size, size, channels)
        from_a = to_a.view(full).permute(0, 3, 6, 1, 4, 2, 5)
        from_a = from_a.reshape(batch, groups, channels, rows * size, columns * size)
        return from_a[..., :height, :width], _add_windows(to_b, ctx.radius, height, width), None


def _at_once(queries: torch.Size) -> tuple[int, ...]:
    """The shape of the products of tiles and windows that are taken at a time, whole rows."""
    batch, rows, columns, groups, places, _ = queries
    each = batch * columns * groups * 4 * places**2
    return batch, min(max(1, PRODUCTS // each), rows), columns, groups, places, 4 * places


def _tiles(x: Tensor, size: int) -> Tensor:
    """(B, G, C, H, W) -> (B, h, w, G, size^2, C), zero beyond the border."""
    height, width = x.shape[3:]
    x = F.pad(x, (0, -width % size, 0, -height % size))
    x = x.unflatten(4, (-1, size)).unflatten(3, (-1, size))  # B, G, C, h, T, w, T
    return x.permute(0, 3, 5, 1, 4, 6, 2).flatten(4, 5)


def _windows(x: Tensor, size: int) -> Tensor:
    """(B, G, C, H, W) -> (B, h, w, G, C, (2 size)^2): around each tile, half a tile more."""
    height, width = x.shape[3:]
    half = size // 2
    x = F.pad(x, (half, half + -width % size, half, half + -height % size))
    x = x.unflatten(4, (-1, size)).unflatten(3, (-1, size))  # B, G, C, h + 1, T, w + 1, T
    rows = torch.cat([x[:, :, :, :-1], x[:, :, :, 1:]], 4)
    both = torch.cat([rows[..., :-1, :], rows[..., 1:, :]], 6)
    return both.permute(0, 3, 5, 1, 2, 4, 6).flatten(5, 6)


def _add_windows(x: Tensor, radius: int, height: int, width: int) -> Tensor:
    """The transpose of `_windows`: gradients of overlapping windows added up."""
    size = 2 * radius
    batch, rows, columns, groups, channels, _ = x.shape
    x = x.view(batch, rows, columns, groups, channels, 2 * size, 2 * size)
    x = x.permute(0, 3, 4, 1, 5, 2, 6)  # B, G, C, h, 2T, w, 2T
    total = x.new_zeros(batch, groups, channels, rows + 1, size, columns + 1, size)
    for i in (0, 1):
        for j in (0, 1):
            part = x[:, :, :, :, i * size : (i + 1) * size, :, j * size : (j + 1) * size]
            total[:, :, :, i : rows + i, :, j : columns + j] += part
    total = total.reshape(batch, groups, channels, (rows + 1) * size, (columns + 1) * size)
    return total[..., radius : radius + height, radius : radius + width]


def _near(scores: Tensor, radius: int) -> Tensor:
    """Of all products of tile and window, (..., size^2, (2 size)^2), those within reach.

    A view (..., size, size, 2 radius + 1, 2 radius + 1) of the same memory.
    """
    size = 2 * radius
    side = 2 * size
    lead, strides = scores.shape[:-2], scores.stride()[:-2]
    row, column = scores.stride()[-2:]
    steps = (size * row + side * column, row + column, side * column, column)
    return scores.as_strided(
        (*lead, size, size, size + 1, size + 1), (*strides, *steps), scores.storage_offset()
    )
