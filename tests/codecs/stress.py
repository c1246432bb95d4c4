"""Pictures that no photograph resembles, drawn the same each time: uint8 (H, W, 3 or 1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

WORDS = (
    "A page of text has sharp edges on an empty ground. The learned transform has never seen one:"
    " it was trained on photographs, whose edges are soft and whose ground is never empty. Costs"
    " 1,234.56 in 2024 (see p. 78), and 90% of it for nothing at all; so it goes, from line to line"
    " until the page is full and the reader asleep. "
)


def noise() -> Pixels:
    """Uniform and independent in every sample: nothing can compress it."""
    return np.random.default_rng(1).integers(0, 256, (192, 256, 3), np.uint8)


def speck() -> Pixels:
    """Noise so small that what frames it counts."""
    return np.ascontiguousarray(noise()[:5, :20])


def gray_noise() -> Pixels:
    """One channel of Gaussian noise around middle gray."""
    samples = np.random.default_rng(2).normal(128, 40, (192, 256, 1))
    return samples.clip(0, 255).astype(np.uint8)


def text() -> Pixels:
    """A printed page in gray: black on white, antialiased."""
    page = Image.new("L", (400, 300), 255)
    _write(ImageDraw.Draw(page), (14, 10), 62, 20, 12, 0)
    return np.array(page)[:, :, None]


def screenshot() -> Pixels:
    """Windows with bars, icons, buttons and text of several colours over a plain desktop."""
    screen = Image.new("RGB", (480, 320), (40, 92, 140))
    draw = ImageDraw.Draw(screen)
    for number, (left, top, width, height) in enumerate([(30, 24, 300, 200), (190, 96, 270, 190)]):
        draw.rectangle((left, top, left + width, top + height), (246, 246, 246), (90, 90, 90))
        draw.rectangle((left, top, left + width, top + 20), [(222, 120, 40), (60, 60, 200)][number])
        draw.text((left + 8, top + 4), "Untitled - Editor", (255, 255, 255), _font(11))
        _write(draw, (left + 10, top + 30), width // 6, (height - 40) // 15, 10, (30, 30, 30))
        for button, colour in enumerate([(220, 50, 40), (240, 190, 40), (60, 170, 70)]):
            right = left + width - 16 * button - 5
            draw.ellipse((right - 10, top + 5, right, top + 15), colour)
    for icon in range(5):
        top = 60 + 50 * icon
        draw.rounded_rectangle((4, top, 26, top + 22), 5, (250, 40 * icon, 255 - 50 * icon))
        draw.line((8, top + 16, 14, top + 6, 22, top + 14), (255, 255, 255), 2)
    draw.rectangle((0, 302, 479, 319), (30, 30, 34))
    draw.text((8, 304), "Start   Files   Mail   12:34", (200, 200, 210), _font(11))
    return np.array(screen)


def flat() -> Pixels:
    """One colour."""
    return np.full((300, 200, 3), (37, 150, 190), np.uint8)


def flat_gray() -> Pixels:
    """One gray of 37x23 samples, far smaller than a tile."""
    return np.full((23, 37, 1), 200, np.uint8)


def line_art() -> Pixels:
    """Black lines on white, not antialiased."""
    paper = Image.new("L", (320, 320), 255)
    draw = ImageDraw.Draw(paper)
    random = np.random.default_rng(3)
    for _ in range(30):
        draw.line(tuple(random.integers(0, 320, 4).tolist()), 0, int(random.integers(1, 4)))
    for radius in range(10, 160, 15):
        draw.arc((160 - radius, 160 - radius, 160 + radius, 160 + radius), radius, 300 + radius, 0)
    for row in range(240, 320, 4):
        draw.line((0, row, 100, row - 40), 0)
    return np.repeat(np.array(paper)[:, :, None], 3, 2)


def row() -> Pixels:
    """One pixel high."""
    return np.ascontiguousarray(photo_like(16, 900)[7:8])


def column() -> Pixels:
    """One pixel wide."""
    return np.ascontiguousarray(photo_like(900, 16)[:, 7:8])


def dot() -> Pixels:
    """A single pixel."""
    return np.full((1, 1, 3), (200, 30, 90), np.uint8)


def ribbon() -> Pixels:
    """16 x 3000."""
    return photo_like(16, 3000)


def colour_bars() -> Pixels:
    """Saturated bars over saturated gradients."""
    colours = np.array([(r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    bars = np.repeat(np.repeat(colours[None], 120, 0), 40, 1)
    slope = np.linspace(0, 255, 320)
    zero = np.zeros(320)
    stripes = [(slope, zero, zero), (zero, 255 - slope, slope), (slope, slope[::-1], zero + 255)]
    gradients = [np.repeat(np.stack(stripe, 1)[None], 40, 0) for stripe in stripes]
    return np.concatenate([bars, *np.rint(gradients).astype(np.uint8)])


def checkerboard(side: int) -> Pixels:
    """Black and white squares."""
    rows, columns = np.mgrid[:192, :256] // side
    return np.repeat(((rows + columns) % 2 * 255).astype(np.uint8)[:, :, None], 3, 2)


def dithered() -> Pixels:
    """A gradient in two levels, by a random threshold."""
    threshold = np.random.default_rng(4).uniform(0, 255, (192, 256))
    return (np.linspace(0, 255, 256)[None] > threshold).astype(np.uint8)[:, :, None] * 255


def photo_like(height: int = 256, width: int = 256) -> Pixels:
    """Noise whose power falls as in photographs, with soft edges, shadows and grain."""
    random = np.random.default_rng(5)
    down, across = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    fall = 1 / np.maximum(np.hypot(down, across), 1 / max(height, width)) ** 1.4
    layers = [np.fft.ifft2(np.fft.fft2(random.normal(0, 1, (height, width))) * fall).real]
    layers += [np.fft.ifft2(np.fft.fft2(random.normal(0, 1, (height, width))) * fall).real]
    light, tint = (layer / layer.std() for layer in layers)
    light = light + 1.2 * np.tanh(8 * tint)
    scene = 120 + 38 * light[..., None] + 12 * tint[..., None] * np.array([1.0, -0.2, -1.0])
    scene += random.normal(0, 2, (height, width, 1))
    return scene.clip(0, 255).astype(np.uint8)


def captioned() -> Pixels:
    """A photograph's upper half over a page of text's."""
    return np.concatenate([photo_like(192, 400), np.repeat(text()[:192], 3, 2)])


PICTURES: dict[str, Callable[[], Pixels]] = {
    "noise": noise,
    "speck": speck,
    "gray noise": gray_noise,
    "text": text,
    "screenshot": screenshot,
    "flat": flat,
    "flat gray": flat_gray,
    "line art": line_art,
    "row": row,
    "column": column,
    "dot": dot,
    "ribbon": ribbon,
    "colour bars": colour_bars,
    "fine checkerboard": lambda: checkerboard(1),
    "checkerboard": lambda: checkerboard(12),
    "dithered": dithered,
    "photo-like": photo_like,
    "captioned": captioned,
}


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    width: int,
    lines: int,
    size: int,
    colour: int | tuple[int, int, int],
) -> None:
    """Lines of `width` characters from a text that begins anew when it ends."""
    for line in range(lines):
        start = line * width % len(WORDS)
        words = (WORDS * 2)[start : start + width]
        draw.text((place[0], place[1] + line * size * 7 // 5), words, colour, _font(size))
