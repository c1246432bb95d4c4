"""The demonstration's clip: rendered from two photographs, coded by us and by x265 at one size."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageDraw, ImageFont

from flowcodec.evaluation.metrics import psnr
from flowcodec.evaluation.run import rgb_pixels
from flowcodec.evaluation.video import peers
from flowcodec.evaluation.video.peers import VideoPeer, peers_named
from flowcodec.evaluation.video.run import Codec
from flowcodec.evaluation.video.sequences import Sequence420
from flowcodec.media.files import atomic_write
from flowcodec.media.picture import read_picture
from flowcodec.media.video.format import Frame, from_rgb, usual_format
from flowcodec.media.video.writing import create_video

FRAMES, HEIGHT, WIDTH, RATE = 24, 240, 320, Fraction(24)
QUALITY = 3.0
CLIP_STEPS = 3  # that `code_clip` tells of
COARSEST = 51  # of x265's scale
LABEL = 18  # pixels
NAMES = ("original", "flowcodec", "x265 veryfast")


@dataclass(frozen=True)
class ClipShot:
    """A codec's file of the clip: bytes, and the mean over frames of RGB PSNR in dB."""

    name: str
    file: str
    bytes: int
    psnr: float


def render_clip(background: Path, thing: Path) -> list[Frame]:
    """Frames (240, 320, 3): a camera that glides and nears over one photograph, and an oval cut
    from the other that crosses it, turning."""
    behind, before = (Image.fromarray(rgb_pixels(read_picture(p))) for p in (background, thing))
    side = min(before.size)
    oval = Image.new("L", (side, side))
    ImageDraw.Draw(oval).ellipse((0, 0, side - 1, side - 1), fill=255)
    before = before.crop((0, 0, side, side))
    frames = []
    for number in range(FRAMES):
        part = number / (FRAMES - 1)
        scale = min(behind.width / WIDTH, behind.height / HEIGHT) * (0.85 - 0.25 * part)
        left, top = (behind.width - WIDTH * scale) * (0.2 + 0.4 * part), 0.1 * behind.height * part
        frame = behind.transform(
            (WIDTH, HEIGHT),
            Image.Transform.AFFINE,
            (scale, 0, left, 0, scale, top),
            Image.Resampling.BICUBIC,
        )
        size = HEIGHT // 3
        place = round(20 + (WIDTH - size - 40) * part), round(HEIGHT * (0.5 - 0.3 * part))
        turned, mask = (
            x.rotate(40 * part, Image.Resampling.BICUBIC).resize((size, size), Image.Resampling.BOX)
            for x in (before, oval)
        )
        frame.paste(turned, place, mask)
        frames.append(np.asarray(frame))
    return frames


def code_clip(
    codec: Codec, frames: Sequence[Frame], folder: Path, advance: Callable[[], None]
) -> list[ClipShot]:
    """Code a clip with `codec`, then by x265 at that size or below, the best that fits.

    Writes clip.fcv, clip.265 and clip.mp4, where the original, ours and x265's play side by side.
    """
    (peer,) = peers_named(["x265-veryfast"])
    format = usual_format(WIDTH, HEIGHT, RATE)
    planes = [from_rgb(frame, format, VideoReformatter()) for frame in frames]
    clip = Sequence420("clip", format, list(frames), planes, native=False)
    ours = folder / "clip.fcv"
    with atomic_write(ours) as stream:
        codec.write(enumerate(frames), format, stream, QUALITY, gop=len(frames))
    advance()
    with ours.open("rb") as stream:
        decoded = [frame for _, frame in codec.read(stream)]
    advance()
    size = ours.stat().st_size
    data = _fitting(peer, clip, size)
    with atomic_write(folder / "clip.265") as stream:
        stream.write(data)
    others = [peers.shown(clip, x, VideoReformatter()) for x in peers.decode(peer, data)]
    advance()
    shown = usual_format(3 * WIDTH, HEIGHT + LABEL, RATE)
    with create_video(folder / "clip.mp4", shown) as video:
        for trio in zip(frames, decoded, others, strict=True):
            video.write(_side_by_side(trio))
    return [
        ClipShot(NAMES[1], ours.name, size, _quality(frames, decoded)),
        ClipShot(NAMES[2], "clip.265", len(data), _quality(frames, others)),
    ]


def _quality(frames: Sequence[Frame], decoded: Sequence[Frame]) -> float:
    return float(np.mean([psnr(*pair) for pair in zip(frames, decoded, strict=True)]))


def _fitting(peer: VideoPeer, clip: Sequence420, size: int) -> bytes:
    """The largest stream of at most so many bytes; the smallest where none is."""

    @cache
    def stream(quality: int) -> bytes:
        return peers.encode(peer, clip, quality, len(clip.frames))

    qualities = range(COARSEST)
    return stream(bisect_left(qualities, True, 1, key=lambda q: len(stream(q)) <= size))


def _side_by_side(trio: Sequence[Frame]) -> Frame:
    """Three frames in a row under their names."""
    sheet = Image.new("RGB", (3 * WIDTH, HEIGHT + LABEL), "black")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(LABEL - 6)
    for place, (frame, name) in enumerate(zip(trio, NAMES, strict=True)):
        sheet.paste(Image.fromarray(frame), (place * WIDTH, LABEL))
        draw.text((place * WIDTH + 6, 1), name, "white", font)
    return np.asarray(sheet)
