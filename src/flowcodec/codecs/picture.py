"""Pictures to `.fci` bytes and back.

    pixels ─ analyse ─► latents ─► prior.encode (rounds) ─► tile units ─► file
                                    └─ synthesise ─► what a decoder will show, and its PSNR

A tile of which the networks make a mess is coded otherwise: see `codecs.tiles`. Beside learned
tiles its latents are those of what a decoder shows there.

Two grids are independent of each other. Tiles (1024 pixels by default) are what is entropy-coded
alone. Windows are what the transforms work on, so that memory stays flat: tiles with a margin of
what the model reaches, taken from the picture (or from the latents), so that no seam appears.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.bitstream.alpha import pack_alpha, unpack_alpha
from flowcodec.bitstream.fields import read_psnr, stored_psnr
from flowcodec.bitstream.header import (
    DEFAULT_TILE,
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
from flowcodec.codecs.protocols import PictureModel
from flowcodec.codecs.settings import thousandths, tile_side
from flowcodec.codecs.systems import imported, system_called, system_of
from flowcodec.codecs.threads import limited_threads, side_by_side
from flowcodec.codecs.tiles import CodedTile, Trials, open_tile
from flowcodec.codecs.weights import Weights, find_weights
from flowcodec.codecs.windows import Windows, part
from flowcodec.entropy.prior import latent_hash
from flowcodec.errors import FormatError, UsageError, WeightsError
from flowcodec.media.opening import MAX_PIXELS
from flowcodec.media.picture import Picture
from flowcodec.quality import BIT_PRICE, COARSEST


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

    def __init__(self, weights: Weights[Any], *, device: str = "cpu", threads: int | None = None):
        self.weights, self.threads = weights, threads
        system = system_called(weights.model, "picture")
        self.model: PictureModel = imported(system.model)(weights, device, threads)
        self.prior, self.code = self.model.prior, system.code

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
        return self.prepare(picture, tile=tile, kinds=kinds).encode(quality)

    def prepare(
        self,
        picture: Picture | NDArray[np.uint8],
        *,
        tile: int = DEFAULT_TILE * TILE_STEP,
        kinds: Collection[str] = tuple(TILE_KINDS.values()),
    ) -> PreparedPicture:
        """What coding a picture at several qualities does only once; arguments as for `encode`."""
        if not isinstance(picture, Picture):
            picture = Picture(np.asarray(picture))
        if not kinds or not set(kinds) <= set(TILE_KINDS.values()):
            raise UsageError(f"kinds are some of {', '.join(TILE_KINDS.values())}, not {kinds}")
        return PreparedPicture(self, picture, tile_side(tile), kinds)

    def decode(self, data: bytes) -> Picture:
        """Decode a file that was coded with these weights; FormatError, WeightsError."""
        return self.decode_parsed(parse_picture(data))

    def decode_parsed(self, file: PictureFile) -> Picture:
        """Decode a file that has been taken apart already."""
        self._check(file.header)
        with limited_threads(self.threads):
            header = file.header
            canvas = Canvas(self.model, header, self.threads)

            def read(index: int) -> None:
                tile, box = file.tiles[index], header.tile_box(index)
                with naming(tile, index):
                    if tile.type == LEARNED:
                        canvas.place(box, self.read_latents(tile, box, header.quality)[1])
                    else:
                        shown = part(canvas.pixels, box)
                        shown[:] = open_tile(tile, box, header.quality, shown.shape[2])

            for _ in side_by_side(read, range(len(file.tiles)), self.threads):
                pass
            alpha = read_alpha(file)
            learned = [index for index, tile in enumerate(file.tiles) if tile.type == LEARNED]
            canvas.show(learned, set(range(len(file.tiles))).difference(learned))
            return Picture(canvas.pixels, alpha, file.icc, file.exif, file.notes, file.xmp)

    def without_refinement(self) -> PictureCodec | None:
        """This codec, but what refines the decoded picture left out; None where nothing does."""
        bare = self.model.without_refinement()
        if bare is None:
            return None
        codec = copy.copy(self)
        codec.model = bare
        return codec

    def read_latents(
        self, tile: Tile, box: TileBox, quality: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """z and y of a learned tile, as its file holds them; FormatError where it is damaged."""
        stride = self.model.stride
        height, width = -(-box.height // stride), -(-box.width // stride)
        z, y = self.prior.decode(tile.data, height, width, quality)
        if latent_hash(z, y) != tile.hash:
            raise FormatError("the decoded latents do not match their hash")
        return z, y

    def _check(self, header: PictureHeader) -> None:
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


class PreparedPicture:
    """A picture that waits to be coded. Made by `PictureCodec.prepare`."""

    def __init__(self, codec: PictureCodec, picture: Picture, tile: int, kinds: Collection[str]):
        self._codec, self._picture, self._kinds = codec, picture, kinds
        alpha = picture.alpha
        seen: Seen | None = None if alpha is None or alpha.all() else alpha > 0
        self._seen = seen
        self._original = picture.pixels if seen is None else spanned(picture.pixels, seen)
        self._header = PictureHeader(
            model=codec.code,
            prior_hash=codec.prior.hash[:4],
            weights_hash=codec.weights.hash[:4],
            width=picture.width,
            height=picture.height,
            gray=picture.gray,
            alpha=alpha is not None,
            quality=COARSEST,
            psnr=0,
            tile=tile // TILE_STEP,
        )
        metric = codec.weights.metric
        self._trials = [
            Trials(part(self._original, box), None if seen is None else part(seen, box), metric)
            for box in map(self._header.tile_box, range(self._header.tile_count))
        ]

    @cached_property
    def _alpha(self) -> dict[str, bytes]:
        """The alpha plane as the unit that takes fewer bytes, by name."""
        if self._picture.alpha is None:
            return {}
        alpha, matte = pack_alpha(self._picture.alpha), pack_matte(self._picture.alpha)
        return {"matte": matte} if len(matte) < len(alpha) else {"alpha": alpha}

    def encode(self, quality: float = 4.0) -> EncodedPicture:
        """As `PictureCodec.encode`."""
        codec, picture = self._codec, self._picture
        header = dataclasses.replace(self._header, quality=thousandths(quality))
        with limited_threads(codec.threads):
            canvas = Canvas(codec.model, header, codec.threads)
            learned: list[Tile | None] = [None] * header.tile_count
            if "learned" in self._kinds:

                def code(index: int) -> Tile:
                    box = header.tile_box(index)
                    z, real = canvas.latents_of(self._original, box)
                    data, y = codec.prior.encode(z, real, header.quality, canvas.prices(real))
                    canvas.place(box, y)
                    return Tile(latent_hash(z, y), data)

                learned[:] = side_by_side(code, range(header.tile_count), codec.threads)
                canvas.show(range(header.tile_count))
            chosen = self._choose(header, learned, canvas.pixels)
            others = {i for i, tile in enumerate(chosen) if tile is not learned[i]}
            if others:
                canvas.show((i for i in range(len(chosen)) if i not in others), others)
        psnr = _psnr(self._original, canvas.pixels, self._seen)
        data = pack_picture(
            dataclasses.replace(header, psnr=stored_psnr(psnr)),
            chosen,
            icc=picture.icc,
            exif=picture.exif,
            xmp=picture.xmp,
            **self._alpha,
        )
        return EncodedPicture(data, chosen, psnr, canvas.pixels)

    def _choose(
        self, header: PictureHeader, learned: Sequence[Tile | None], pixels: NDArray[np.uint8]
    ) -> list[Tile]:
        """The best coding of each tile; puts into `pixels` what a decoder shows there."""

        def choose(index: int) -> Tile:
            tile, shown = learned[index], part(pixels, header.tile_box(index))
            before = None if tile is None else CodedTile(tile, shown)
            best = self._trials[index].best(before, header.quality, self._kinds)
            if best.tile is not tile:
                shown[:] = best.pixels
            return best.tile

        return list(side_by_side(choose, range(len(learned)), self._codec.threads))


class Canvas:
    """Latents (M, h, w) and pixels (H, W, 3 or 1) of a picture that is being coded or decoded."""

    def __init__(self, model: PictureModel, header: PictureHeader, threads: int | None):
        self._model, self._header, self._threads = model, header, threads
        self._shown = False
        self._windows = Windows.of(model, header.height, header.width)
        self._latents = np.zeros((model.channels, *self._windows.latent_size), np.float32)
        channels = 1 if header.gray else 3
        self.pixels = np.zeros((header.height, header.width, channels), np.uint8)

    def place(self, box: TileBox, y: NDArray[Any]) -> None:
        """Put a tile's latents where they belong."""
        rows, columns = self._windows.place(box)
        self._latents[:, rows, columns] = y

    @unwarned
    def latents_of(
        self, original: NDArray[np.uint8], box: TileBox
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """z and gained y of one tile of a picture, from a window around it."""
        (top, bottom), (left, right) = self._windows.around(box)
        y, gain = self._analyse(original[top:bottom, left:right])
        rows = self._windows.latents(box.top - top, box.height)
        columns = self._windows.latents(box.left - left, box.width)
        y = np.ascontiguousarray(y[:, rows, columns])
        return self._model.hyper_analyse(y, self._header.quality), y * gain

    def prices(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a bit is worth to the encoder at each latent (M, h, w) of a tile."""
        prices = np.full(y.shape, BIT_PRICE, np.float32)
        prices[: self._model.fixed] = 0
        return prices

    def show(self, learned: Iterable[int], others: Collection[int] = ()) -> None:
        """Synthesise learned tiles into `pixels`, which holds the others, window by window.

        Of tiles that were shown before, those are shown again which others now lie beside. What
        learned tiles see across their borders are latents everywhere: for the others, real ones,
        since integers might be rounded otherwise on another machine.
        """
        box_of = self._header.tile_box
        wanted = list(learned)
        if wanted:
            for index in others:
                y, gain = self._analyse(part(self.pixels, box_of(index)))
                self.place(box_of(index), y * gain)
        if others and self._shown:
            wanted = [index for index in wanted if self._beside(box_of(index), others)]
        for _ in side_by_side(self._show, wanted, self._threads):
            pass
        self._shown = True

    def _show(self, index: int) -> None:
        box = self._header.tile_box(index)
        (top, bottom), (left, right) = self._windows.around(box)
        rows = self._windows.latents(top, bottom - top)
        columns = self._windows.latents(left, right - left)
        decoded = self._model.synthesise(self._latents[:, rows, columns], self._header.quality)
        decoded = decoded[box.top - top :, box.left - left :][: box.height, : box.width]
        part(self.pixels, box)[:] = _gray(decoded) if self._header.gray else decoded

    def _beside(self, box: TileBox, others: Collection[int]) -> bool:
        return any(self._windows.touches(box, self._header.tile_box(index)) for index in others)

    def _analyse(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """y of any (H, W, 3 or 1) samples before its gain, and the gain."""
        stride = self._model.stride
        below, beside = -pixels.shape[0] % stride, -pixels.shape[1] % stride
        padded = np.pad(pixels, ((0, below), (0, beside), (0, 0)), mode="edge")
        colours = np.broadcast_to(padded, (*padded.shape[:2], 3))
        return self._model.analyse(colours, self._header.quality)


def load_for(
    file: PictureFile,
    *,
    weights: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> PictureCodec:
    """The codec that a file asks for, its weights found by hash."""
    system = system_of("picture", file.header.model)
    found = find_weights(file.header.weights_hash, weights).of(system.name)
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


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mean = (pixels.sum(2, dtype=np.uint16, keepdims=True) + 1) // 3
    return mean.astype(np.uint8)


def _psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], seen: Seen | None = None) -> float:
    """PSNR in dB over the pixels that are seen, or all."""
    pixels = a.shape[0] * a.shape[1] if seen is None else int(seen.sum())
    return psnr_of(squared_error(a, b, seen), pixels * a.shape[2])
