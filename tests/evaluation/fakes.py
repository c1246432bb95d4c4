"""Codecs that stand in for the trained one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from flowcodec.evaluation.peers import peer_named
from flowcodec.media.picture import Picture


@dataclass(frozen=True)
class FakeEncoded:
    data: bytes


class PeerCodec:
    """JPEG 2000 behind the interface of our codec: quality 1..8 is 24..38 dB."""

    def __init__(self) -> None:
        self.peer = peer_named("jpeg2000")
        self.calls: list[tuple[str, tuple[int, ...], float | None]] = []

    def encode(self, picture: Picture, quality: float) -> FakeEncoded:
        self.calls.append(("encode", picture.pixels.shape, quality))
        pixels = np.broadcast_to(picture.pixels, (picture.height, picture.width, 3))
        return FakeEncoded(self.peer.encode(np.ascontiguousarray(pixels), 22 + 2 * int(quality)))

    def decode(self, data: bytes) -> Picture:
        pixels = self.peer.decode(data)
        self.calls.append(("decode", pixels.shape, None))
        return Picture(pixels)


class ExactCodec:
    """Makes, of a gray field of 128, files of exactly the size and the PSNR asked for.

    `points` are (bits a pixel, dB) for the qualities 1, 2, ...
    """

    def __init__(self, points: list[tuple[float, float]]) -> None:
        self.points = points

    def encode(self, picture: Picture, quality: float) -> FakeEncoded:
        assert (picture.pixels == 128).all()
        bpp, _ = self.points[round(quality) - 1]
        head = bytes([round(quality)]) + picture.width.to_bytes(2) + picture.height.to_bytes(2)
        return FakeEncoded(head.ljust(round(bpp * picture.width * picture.height / 8), b"\0"))

    def decode(self, data: bytes) -> Picture:
        _, psnr = self.points[data[0] - 1]
        width, height = int.from_bytes(data[1:3]), int.from_bytes(data[3:5])
        pixels = np.full(height * width * 3, 128, np.uint8)
        error = 16
        pixels[: round(pixels.size * 255**2 / 10 ** (psnr / 10) / error**2)] += error
        return Picture(pixels.reshape(height, width, 3))


def save_photograph(path: Path, height: int, width: int, mode: str = "RGB") -> Path:
    """A lossless picture with edges, texture and colour, the same at every call."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(7).normal(0, 4, (height, width, 3))
    waves = np.stack([np.sin(x / 9), np.cos((x + y) / 14), np.sin(y / 5)], axis=2)
    disc = ((y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 3) ** 2)[..., None]
    pixels = np.clip(110 + 45 * waves + 60 * disc + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path
