"""Pictures to `.fci` bytes and back.

    pixels ─ analyse ─► latents ─► prior.encode (rounds) ─► tile units ─► file
                                    └─ synthesise ─► what a decoder will show, and its PSNR

A tile of which the networks make a mess is coded otherwise: see `codecs.tiles`. Beside learned
tiles its latents are those of what a decoder shows there.

Two grids are independent of each other. Tiles (1024 pixels by default) are what is entropy-coded
alone. Windows are what the transforms work on, so that memory stays flat: tiles with a margin
of 128 pixels taken from the picture (or from the latents). That is more than `compact` looks, so
that no seam appears; refinement and attention look a little further. Windows begin at multiples of
128 pixels, as attention's own windows do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.alpha import pack_alpha, unpack_alpha
from flowcodec.bitstream.fields import read_psnr, stored_psnr
from flowcodec.bitstream.header import (
    DEFAULT_TILE,
    MODEL_NAMES,
    TILE_STEP,
    PictureHeader,
    TileBox,
)
from flowcodec.bitstream.matte import pack_matte, unpack_matte
from flowcodec.bitstream.picture_file import (
    LEARNED,
    PictureFile,
    Tile,
    pack_picture,
    parse_picture,
)
from flowcodec.bitstream.units import TILE_KINDS
from flowcodec.codecs.fidelity import as_measured, psnr_of, squared_error
from flowcodec.codecs.finite import unwarned
from flowcodec.codecs.hidden import Seen, spanned
from flowcodec.codecs.settings import thousandths, tile_side
from flowcodec.codecs.threads import limited_threads
from flowcodec.codecs.tiles import CodedTile, best_tile, open_tile
from flowcodec.codecs.transforms import open_transforms
from flowcodec.codecs.weights import Weights, exact_prior, find_weights
from flowcodec.entropy.prior import latent_hash
from flowcodec.errors import FormatError, UsageError, WeightsError
from flowcodec.media.opening import MAX_PIXELS
from flowcodec.media.picture import Picture
from flowcodec.models.image_cnn.config import ImageCnnConfig

T = TypeVar("T", bound=np.generic)

STRIDE = 16
MARGIN = 128
BIT_PRICE = 0.12  # squared error, in steps of the quantiser, that a bit is worth to the encoder
# Beside another tile a bit is worth more by these factors, for the first six positions from it: the
# prior knows less there, would keep more that is not zero, and PSNR would rise with the bytes.
SEAM = (1.08, 1.03, 1.03, 1.03, 1.03, 1.03)


@dataclass(frozen=True)
class EncodedPicture:
    """A coded picture: the file's bytes and the tiles in it, the decoded picture (H, W, C) and its
    PSNR in dB, of the pixels whose alpha is not 0."""

    data: bytes
    tiles: Sequence[Tile]
    psnr: float
    reconstruction: NDArray[np.uint8]


class PictureCodec:
    """Codes pictures with one set of weights. Create it with `flowcodec.load`."""

    def __init__(
        self, weights: Weights[ImageCnnConfig], *, device: str = "cpu", threads: int | None = None
    ):
        self.weights = weights
        self.transforms = open_transforms(weights, device, threads)
        self.threads = threads
        self.prior = exact_prior(weights)
        names = {name: code for code, name in MODEL_NAMES.items()}
        if weights.model not in names:
            raise WeightsError(f"{weights.path} is for an unknown model, {weights.model}")
        self.model = names[weights.model]

    def encode(
        self,
        picture: Picture | NDArray[np.uint8],
        quality: float = 4.0,
        *,
        tile: int = DEFAULT_TILE * TILE_STEP,
        kinds: Collection[str] = tuple(TILE_KINDS.values()),
    ) -> EncodedPicture:
        """Code a picture (or uint8 (H, W, 3 or 1) samples) at a real quality of 1 to 8.

        Alpha is exact. Pixels under alpha 0 are not kept, whatever the kind of their tile.

        tile: side of the parts that are coded alone, a multiple of 64 up to 2048. The code of each
        tile is decoded again and compared before this returns.
        kinds: "learned", "plain", "lossless": each tile gets the best of them.
        """
        with limited_threads(self.threads):
            return self._encode(picture, quality, tile, kinds)

    def _encode(
        self,
        picture: Picture | NDArray[np.uint8],
        quality: float,
        tile: int,
        kinds: Collection[str],
    ) -> EncodedPicture:
        if not isinstance(picture, Picture):
            picture = Picture(np.asarray(picture))
        at, tile = thousandths(quality), tile_side(tile)
        if not kinds or not set(kinds) <= set(TILE_KINDS.values()):
            raise UsageError(f"kinds are some of {', '.join(TILE_KINDS.values())}, not {kinds}")
        header = PictureHeader(
            model=self.model,
            prior_hash=self.prior.hash[:4],
            weights_hash=self.weights.hash[:4],
            width=picture.width,
            height=picture.height,
            gray=picture.gray,
            alpha=picture.alpha is not None,
            quality=at,
            psnr=0,
            tile=tile // TILE_STEP,
        )
        seen = None if picture.alpha is None or picture.alpha.all() else picture.alpha > 0
        original = picture.pixels if seen is None else spanned(picture.pixels, seen)
        latents, pixels = self._room(header)
        tiles: list[Tile | None] = [None] * header.tile_count
        if "learned" in kinds:
            for index in range(header.tile_count):
                box = header.tile_box(index)
                z, real = self._latents(original, box, at)
                code, y = self.prior.encode(z, real, at, self._prices(header, box))
                tiles[index] = Tile(latent_hash(z, y), code)
                place(latents, box, y)
            self._synthesise(latents, header, range(header.tile_count), pixels)
        chosen = self._choose(original, seen, header, tiles, pixels, kinds)
        if chosen != tiles:
            self._complete(latents, header, chosen, pixels)
        psnr = _psnr(original, pixels, seen)
        data = pack_picture(
            dataclasses.replace(header, psnr=stored_psnr(psnr)),
            chosen,
            icc=picture.icc,
            exif=picture.exif,
            xmp=picture.xmp,
            **({} if picture.alpha is None else _packed_alpha(picture.alpha)),
        )
        return EncodedPicture(data, chosen, psnr, pixels)

    def decode(self, data: bytes) -> Picture:
        """Decode a file that was coded with these weights; FormatError, WeightsError."""
        return self.decode_parsed(parse_picture(data))

    def decode_parsed(self, file: PictureFile) -> Picture:
        """Decode a file that has been taken apart already."""
        with limited_threads(self.threads):
            return self._decode(file)

    def _decode(self, file: PictureFile) -> Picture:
        header = file.header
        if header.weights_hash != self.weights.hash[:4]:
            raise WeightsError(
                f"the file needs weights {header.weights_hash.hex()}, these are"
                f" {self.weights.hash[:4].hex()}"
            )
        if header.prior_hash != self.prior.hash[:4]:
            raise WeightsError(
                f"the file needs the prior {header.prior_hash.hex()}, the weights hold"
                f" {self.prior.hash[:4].hex()}"
            )
        if header.width * header.height > MAX_PIXELS:
            raise FormatError(
                f"{header.width} x {header.height} pixels; more than {MAX_PIXELS} are not decoded",
                unit="header",
            )
        latents, pixels = self._room(header)
        for index, tile in enumerate(file.tiles):
            box = header.tile_box(index)
            with naming(tile, index):
                if tile.type == LEARNED:
                    place(latents, box, self.read_latents(tile, box, header.quality)[1])
                else:
                    part(pixels, box)[:] = open_tile(tile, box, header.quality, pixels.shape[2])
        alpha = read_alpha(file)
        self._complete(latents, header, file.tiles, pixels)
        return Picture(pixels, alpha, file.icc, file.exif, file.notes, file.xmp)

    def _room(self, header: PictureHeader) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Empty latents (M, h, w) and pixels (H, W, 3 or 1) of a whole picture."""
        rows, columns = latent_size(header)
        latents = np.zeros((self.weights.config.coded, rows, columns), np.float32)
        channels = 1 if header.gray else 3
        return latents, np.zeros((header.height, header.width, channels), np.uint8)

    @unwarned
    def _latents(
        self, pixels: NDArray[np.uint8], box: TileBox, quality: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """z and gained y of one tile, from a window around it."""
        top, bottom = window(box.top, box.height, pixels.shape[0])
        left, right = window(box.left, box.width, pixels.shape[1])
        y, gain = self._analyse(pixels[top:bottom, left:right], quality)
        rows = latent_slice(box.top - top, box.height)
        columns = latent_slice(box.left - left, box.width)
        y = np.ascontiguousarray(y[:, rows, columns])
        z = self.transforms.hyper_analyse(y, quality)
        return z, y * gain

    def _prices(self, header: PictureHeader, box: TileBox) -> NDArray[np.float32]:
        """What a bit is worth to the encoder at each latent of a tile, (M, h, w)."""
        down, across = (
            _from_seams(along, whole)
            for along, whole in zip(tile_place(box), latent_size(header), strict=True)
        )
        depth = np.minimum(np.minimum.outer(down, across), len(SEAM))
        price = BIT_PRICE * np.array([*SEAM, 1.0])[depth]
        prices = np.repeat(price[None].astype(np.float32), self.weights.config.coded, axis=0)
        prices[: self.weights.config.masking] = 0  # a decision already
        return prices

    def _analyse(
        self, pixels: NDArray[np.uint8], quality: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """y of any (H, W, 3 or 1) samples before its gain, and the gain."""
        below, beside = -pixels.shape[0] % STRIDE, -pixels.shape[1] % STRIDE
        padded = np.pad(pixels, ((0, below), (0, beside), (0, 0)), mode="edge")
        return self.transforms.analyse(np.broadcast_to(padded, (*padded.shape[:2], 3)), quality)

    def read_latents(
        self, tile: Tile, box: TileBox, quality: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """z and y of a learned tile, as its file holds them; FormatError where it is damaged."""
        height, width = -(-box.height // STRIDE), -(-box.width // STRIDE)
        z, y = self.prior.decode(tile.data, height, width, quality)
        if latent_hash(z, y) != tile.hash:
            raise FormatError("the decoded latents do not match their hash")
        return z, y

    def _choose(
        self,
        original: NDArray[np.uint8],
        seen: Seen | None,
        header: PictureHeader,
        learned: Sequence[Tile | None],
        pixels: NDArray[np.uint8],
        kinds: Collection[str],
    ) -> list[Tile]:
        """The best coding of each tile; puts into `pixels` what a decoder shows there."""
        chosen = []
        for index, tile in enumerate(learned):
            box = header.tile_box(index)
            shown = part(pixels, box)
            before = None if tile is None else CodedTile(tile, shown)
            best = best_tile(
                part(original, box),
                None if seen is None else part(seen, box),
                before,
                header.quality,
                self.weights.metric,
                kinds,
            )
            chosen.append(best.tile)
            if best.tile is not tile:
                shown[:] = best.pixels
        return chosen

    def _complete(
        self,
        latents: NDArray[np.float32],
        header: PictureHeader,
        tiles: Sequence[Tile],
        pixels: NDArray[np.uint8],
    ) -> None:
        """Synthesise the learned tiles into `pixels`, which holds the others.

        What learned tiles see across their borders are latents everywhere: for the others, real
        ones, since integers might be rounded otherwise on another machine.
        """
        learned = [index for index, tile in enumerate(tiles) if tile.type == LEARNED]
        if learned:
            for index in set(range(len(tiles))).difference(learned):
                box = header.tile_box(index)
                y, gain = self._analyse(part(pixels, box), header.quality)
                place(latents, box, y * gain)
        self._synthesise(latents, header, learned, pixels)

    def _synthesise(
        self,
        latents: NDArray[np.float32],
        header: PictureHeader,
        indices: Iterable[int],
        pixels: NDArray[np.uint8],
    ) -> None:
        """From the latents of a picture some of its tiles, window by window, into `pixels`."""
        for index in indices:
            box = header.tile_box(index)
            top, bottom = window(box.top, box.height, header.height)
            left, right = window(box.left, box.width, header.width)
            seen = latents[:, latent_slice(top, bottom - top), latent_slice(left, right - left)]
            decoded = self.transforms.synthesise(seen, header.quality)
            decoded = decoded[box.top - top :, box.left - left :][: box.height, : box.width]
            part(pixels, box)[:] = _gray(decoded) if header.gray else decoded


def load_for(
    file: PictureFile,
    *,
    weights: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> PictureCodec:
    """The codec that a file asks for, its weights found by hash."""
    found = find_weights(file.header.weights_hash, weights).of(MODEL_NAMES[file.header.model])
    return PictureCodec(found, device=device, threads=threads)


def verify(picture: Picture, header: PictureHeader, reference: Picture) -> float:
    """PSNR of a decoded picture against its original, checked against what the encoder stored.

    Only pixels with alpha above 0 count; older encoders counted all, which is taken as well.
    FormatError if the PSNR differs by more than 0.05 dB, or alpha at all.
    """
    if picture.alpha is None:
        found = [_psnr(reference.pixels, picture.pixels)]
    elif reference.alpha is None or not np.array_equal(picture.alpha, reference.alpha):
        raise FormatError("the decoded picture has another alpha plane than the original")
    else:
        masks = picture.alpha > 0, None
        found = [_psnr(reference.pixels, picture.pixels, seen) for seen in masks]
    for psnr in found:
        if as_measured(psnr, header.psnr):
            return psnr
    raise FormatError(
        f"the decoded picture has {found[0]:.2f} dB, its encoder measured"
        f" {read_psnr(header.psnr):.2f} dB"
    )


def _packed_alpha(plane: NDArray[np.uint8]) -> dict[str, bytes]:
    """An alpha plane as the unit that takes fewer bytes, by name."""
    name, data = _smaller_unit(plane.tobytes(), plane.shape)
    return {name: data}


@lru_cache(maxsize=1)  # a target is met by coding one picture several times
def _smaller_unit(samples: bytes, shape: tuple[int, int]) -> tuple[str, bytes]:
    plane = np.frombuffer(samples, np.uint8).reshape(shape)
    alpha, matte = pack_alpha(plane), pack_matte(plane)
    return ("matte", matte) if len(matte) < len(alpha) else ("alpha", alpha)


def read_alpha(file: PictureFile) -> NDArray[np.uint8] | None:
    """The alpha plane of a file alone, uint8 (H, W), or None; FormatError where it is damaged."""
    size = file.header.height, file.header.width
    if file.matte is not None:
        return unpack_matte(file.matte, *size)
    return None if file.alpha is None else unpack_alpha(file.alpha, *size)


@contextmanager
def naming(tile: Tile, index: int) -> Iterator[None]:
    """Add a tile's number and offset to what is wrong with it."""
    try:
        yield
    except FormatError as error:
        raise FormatError(str(error), offset=tile.offset, unit=f"tile {index}") from error


def latent_size(header: PictureHeader) -> tuple[int, int]:
    """Rows and columns of the latents of a whole picture."""
    return -(-header.height // STRIDE), -(-header.width // STRIDE)


def latent_slice(start: int, length: int) -> slice:
    """The latents of `length` pixels that begin at a multiple of 16."""
    return slice(start // STRIDE, -(-(start + length) // STRIDE))


def part(pixels: NDArray[T], box: TileBox) -> NDArray[T]:
    """A tile of a picture (H, W, C) or a plane (H, W), to read or to write."""
    return pixels[box.top :, box.left :][: box.height, : box.width]


def tile_place(box: TileBox) -> tuple[slice, slice]:
    """Rows and columns of a tile among the latents of a whole picture."""
    return latent_slice(box.top, box.height), latent_slice(box.left, box.width)


def _from_seams(along: slice, whole: int) -> NDArray[np.int64]:
    """How many positions lie between each of a tile's and the next tile, along one side."""
    at = np.arange(along.start, along.stop)
    before = at - along.start if along.start else np.full(len(at), whole)
    after = along.stop - 1 - at if along.stop < whole else np.full(len(at), whole)
    return np.minimum(before, after)


def place(latents: NDArray[np.float32], box: TileBox, y: NDArray[Any]) -> None:
    """Put a tile's latents where they belong."""
    rows, columns = tile_place(box)
    latents[:, rows, columns] = y


def window(start: int, length: int, whole: int) -> tuple[int, int]:
    """Begin and end, in pixels, of what the transforms see for a tile: a margin on both sides."""
    begin = max(0, (start - MARGIN) // MARGIN * MARGIN)
    end = start + length + MARGIN
    return begin, min(whole, end // MARGIN * MARGIN + MARGIN)


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mean = (pixels.sum(2, dtype=np.uint16, keepdims=True) + 1) // 3
    return mean.astype(np.uint8)


def _psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], seen: Seen | None = None) -> float:
    """PSNR in dB over the pixels that are seen, or all."""
    pixels = a.shape[0] * a.shape[1] if seen is None else int(seen.sum())
    return psnr_of(squared_error(a, b, seen), pixels * a.shape[2])
