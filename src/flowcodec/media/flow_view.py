"""Optical flow made visible: colours and their key, overlays, arrows.

Flow is float (H, W, 2), in pixels: channel 0 to the right, channel 1 down. The colours are those
of the Middlebury benchmark (Baker et al., 2011): the hue tells the direction, red to the right and
on over yellow (down) and cyan (left) to violet (up); the longer the vector, the stronger the
colour. No motion is white, unknown is black.

`largest` is the length, in pixels, that gets the full colour; longer vectors get it too. Without
it, it is `largest_length` of the flow at hand. Give it for all pictures of a video alike.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from flowcodec.errors import UsageError

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_OPACITY = 0.85  # of the overlay, where motion is fastest
_ARROW = (255, 230, 0)
_FINE = 2  # arrows are drawn at so many times the size, for smooth edges


def _wheel() -> NDArray[np.float32]:
    """The 55 colours, from 0 to 1: steps from red to yellow, green, cyan, blue, magenta and back.

    Of each two neighbours, one channel stays at 1 while another rises or falls.
    """
    corners = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1)])
    rows = []
    for corner, following, steps in zip(
        corners, np.roll(corners, -1, axis=0), (15, 6, 4, 11, 13, 6), strict=True
    ):
        share = np.floor(255 * np.arange(steps) / steps)[:, np.newaxis] / 255
        rows.append(corner + share * (following - corner))
    return np.concatenate(rows).astype(np.float32)


def _full_circle() -> NDArray[np.float32]:
    """The colours of 3457 directions, from right by way of down to right again: the wheel's.

    As in the benchmark's own code, the 55 colours stand on the circle with both ends at the right.
    Between two of them are 64 directions, so that each colour is right to one level of 255.
    """
    wheel = _wheel()
    fine = np.linspace(0, len(wheel) - 1, 64 * (len(wheel) - 1) + 1)
    channels = [np.interp(fine, np.arange(len(wheel)), channel) for channel in wheel.T]
    return np.stack(channels, axis=1).astype(np.float32)


_CIRCLE = _full_circle()


def largest_length(vectors: NDArray[np.floating], valid: Mask | None = None) -> float:
    """The length that 99.5 % of the known vectors stay below, at least 1 pixel.

    A few outliers leave the colours alone, and the noise of a still scene stays pale.
    """
    lengths = np.hypot(*np.moveaxis(vectors, 2, 0))
    known = lengths[np.isfinite(lengths) & (True if valid is None else valid)]
    return max(1.0, float(np.percentile(known, 99.5))) if known.size else 1.0


def colors(
    vectors: NDArray[np.floating], valid: Mask | None = None, largest: float | None = None
) -> Pixels:
    """The flow as a picture, uint8 (H, W, 3). Vectors that are not finite count as unknown."""
    hues, strength, known = _directions(vectors, valid, largest)
    picture = 255 * (1 - strength[..., np.newaxis] * (1 - hues))
    picture[~known] = 0
    return picture.astype(np.uint8)


def wheel_key(side: int) -> Pixels:
    """The key of the colours, uint8 (side, side, 3): a disc on black.

    What lies at some place on the disc is the colour of the vector from the centre to there, of
    length `largest` at its rim.
    """
    place = (np.arange(side, dtype=np.float32) - (side - 1) / 2) * (2 / side)
    vectors = np.dstack(np.meshgrid(place, place))
    return colors(vectors, np.hypot(*np.moveaxis(vectors, 2, 0)) <= 1, largest=1)


def with_key(picture: Pixels, largest: float, side: int | None = None) -> Pixels:
    """`picture` (H, W, 3) with the key in its lower right corner and `largest` written beside it.

    `side` is that of the key, pixels; without it a fifth of the picture's shorter one, at least 16.
    """
    height, width = picture.shape[:2]
    side = side or max(16, min(height, width) // 5)
    canvas = Image.fromarray(picture)
    corner = (width - side - side // 8, height - side - side // 8)
    disc = Image.new("L", (side * 4, side * 4))
    ImageDraw.Draw(disc).ellipse((0, 0, side * 4 - 1, side * 4 - 1), fill=255)
    # Two pixels more all around, so that the smooth rim of the disc is not black.
    key = Image.fromarray(wheel_key(side + 4)).crop((2, 2, side + 2, side + 2))
    canvas.paste(key, corner, disc.reduce(4))
    ImageDraw.Draw(canvas).text(
        (corner[0] - side // 8, height - side // 8),
        f"{largest:.3g} px",
        fill="white",
        anchor="rd",
        font=ImageFont.load_default(max(10, side // 4)),
        stroke_width=max(1, side // 48),
        stroke_fill="black",
    )
    return np.asarray(canvas)


def overlay(
    frame: Pixels,
    vectors: NDArray[np.floating],
    valid: Mask | None = None,
    largest: float | None = None,
) -> Pixels:
    """The directions in full colour over the gray of `frame`, uint8 (H, W, 3 or 1) -> (H, W, 3).

    The longer the vector, the more opaque the colour; what stands still or is unknown stays gray.
    Raises UsageError where frame and flow differ in size.
    """
    gray = np.asarray(_rgb(frame, vectors).convert("L"), np.float32)[..., np.newaxis]
    hues, strength, known = _directions(vectors, valid, largest)
    opacity = (_OPACITY * strength * known)[..., np.newaxis]
    return (gray + opacity * (255 * hues - gray) + 0.5).astype(np.uint8)


def arrows(
    frame: Pixels,
    vectors: NDArray[np.floating],
    valid: Mask | None = None,
    step: int | None = None,
    scale: float = 1,
) -> Pixels:
    """Arrows on a grid over `frame`, uint8 (H, W, 3 or 1) -> (H, W, 3).

    They begin where the pixel is in frame 1, marked by a dot, and end `scale` times its vector
    further on: with 1, where it is in frame 2. `step` is the pitch of the grid in pixels; without
    it some 24 arrows stand on the shorter side. Unknown vectors get neither dot nor arrow.
    Raises UsageError where frame and flow differ in size.
    """
    height, width = vectors.shape[:2]
    step = step or max(8, round(min(height, width) / 24))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    known = np.isfinite(vectors[y, x]).all(axis=2) & (True if valid is None else valid[y, x])
    starts = np.stack((x[known], y[known]), axis=1)
    ends = starts + scale * vectors[starts[:, 1], starts[:, 0]].astype(np.float64)
    # Far beyond the rim, where integers of the drawing would overflow, only the direction counts.
    ends = np.clip(ends, -4 * max(height, width), 5 * max(height, width))

    canvas = _rgb(frame, vectors)
    thickness = max(1.0, step / 16)
    for colour, margin in [((0, 0, 0), 1.0), (_ARROW, 0.0)]:
        shape = _arrow_shapes((width, height), starts, ends, thickness / 2 + margin, step / 3)
        canvas.paste(colour, mask=shape)
    return np.asarray(canvas)


def _arrow_shapes(
    size: tuple[int, int],
    starts: NDArray[np.integer],
    ends: NDArray[np.floating],
    radius: float,
    head: float,
) -> Image.Image:
    """The arrows as a mask: lines of twice `radius`, heads of length `head`, all in pixels."""
    shape = Image.new("L", (size[0] * _FINE, size[1] * _FINE))
    draw = ImageDraw.Draw(shape)
    dot = radius * 1.5 * _FINE
    stroke = max(1, round(2 * radius * _FINE))
    fine_starts, fine_ends = (starts + 0.5) * _FINE, (ends + 0.5) * _FINE
    for (x0, y0), (x1, y1) in zip(fine_starts.tolist(), fine_ends.tolist(), strict=True):
        draw.ellipse((x0 - dot, y0 - dot, x0 + dot, y0 + dot), fill=255)
        length = math.hypot(x1 - x0, y1 - y0)
        if length < 2 * dot:
            continue
        draw.line((x0, y0, x1, y1), fill=255, width=stroke)
        barb = min(head * _FINE, length / 2)
        for turn in (-2.6, 2.6):
            angle = math.atan2(y1 - y0, x1 - x0) + turn
            tip = (x1 + barb * math.cos(angle), y1 + barb * math.sin(angle))
            draw.line((x1, y1, *tip), fill=255, width=stroke)
    return shape.reduce(_FINE)


def _directions(
    vectors: NDArray[np.floating], valid: Mask | None, largest: float | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], Mask]:
    """Full colour from 0 to 1 (H, W, 3), length as a share of `largest` (H, W), what is known."""
    u, v = np.moveaxis(vectors, 2, 0).astype(np.float32)
    length = np.hypot(u, v)
    known = np.isfinite(length)
    if valid is not None:
        known &= valid
    largest = largest_length(vectors, known) if largest is None else largest
    strength = np.minimum(length / np.float32(max(largest, 1e-6)), 1)
    turn = np.arctan2(-v, -u) / np.float32(2 * np.pi) + np.float32(0.5)
    turn[~known] = strength[~known] = 0
    place = np.rint(turn * (len(_CIRCLE) - 1)).astype(np.intp)
    return np.take(_CIRCLE, place, axis=0), strength, known


def _rgb(frame: Pixels, vectors: NDArray[np.floating]) -> Image.Image:
    """`frame` as a picture to draw on, checked against its flow."""
    if frame.shape[:2] != vectors.shape[:2]:
        raise UsageError(
            f"flow of {vectors.shape[1]} x {vectors.shape[0]} pixels does not lie over a frame of "
            f"{frame.shape[1]} x {frame.shape[0]}"
        )
    return Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame).convert("RGB")
