"""The demonstration: real photographs through our codec, and through others at the same size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.evaluation.anchors import anchor_named, fit_bytes
from flowcodec.evaluation.metrics import Pixels, psnr
from flowcodec.evaluation.run import Codec, rgb_pixels
from flowcodec.evaluation.sheet import CROP, Cell, Row, differing_window, draw_sheet
from flowcodec.media.files import atomic_write
from flowcodec.media.picture import Picture, read_picture, write_picture

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")
ANCHOR_NAMES = ("jpeg", "webp", "avif")
CODECS = 1 + len(ANCHOR_NAMES)  # shots of each photograph
QUALITY = 2.5


@dataclass(frozen=True)
class Shot:
    """A photograph through one codec: the file's bytes and what came back, uint8 (H, W, 3).

    `fits` is False where even the codec's smallest file is larger than ours.
    """

    codec: str
    file: Path
    file_bytes: int
    pixels: Pixels
    bpp: float
    psnr: float
    fits: bool


def find_photographs() -> list[Path]:
    """The photographs inside the installed scikit-image, found without importing it.

    Raises UsageError when the package or one of them is absent.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise UsageError("the photographs come with scikit-image: pip install 'flowcodec[bench]'")
    paths = [Path(spec.origin).parent / "data" / f"{name}.png" for name in PHOTOGRAPHS]
    for path in paths:
        if not path.is_file():
            raise UsageError(f"scikit-image came without {path.name}: install it from its wheel")
    return paths


def code_photograph(
    codec: Codec, title: str, photograph: Path, folder: Path, quality: float
) -> Iterator[Shot]:
    """Code a photograph with `codec` at `quality`, then with each anchor at that size or below.

    Colour alone is coded, without alpha and metadata. Writes NAME.fci and what was decoded from it
    as NAME.fci.png, and the anchors' files beside them; yields a Shot after each, ours first,
    CODECS in all.
    """
    original = rgb_pixels(read_picture(photograph))
    pixel_count = original.shape[0] * original.shape[1]

    def shot(codec_title: str, file: Path, pixels: Pixels, fits: bool) -> Shot:
        size = file.stat().st_size
        decibels = psnr(original, pixels)
        return Shot(codec_title, file, size, pixels, size * 8 / pixel_count, decibels, fits)

    file = folder / f"{photograph.stem}.fci"
    with atomic_write(file) as output:
        output.write(codec.encode(Picture(original), quality).data)
    decoded = codec.decode(file.read_bytes())
    write_picture(decoded, folder / f"{file.name}.png")
    ours = shot(title, file, rgb_pixels(decoded), True)
    yield ours

    for anchor in map(anchor_named, ANCHOR_NAMES):
        coded = fit_bytes(anchor, original, ours.file_bytes)
        file = folder / f"{photograph.stem}{anchor.suffix}"
        with atomic_write(file) as output:
            output.write(coded.data)
        yield shot(anchor.title, file, coded.pixels, coded.fits)


def comparison_sheet(
    photographs: Sequence[Path], shots: Sequence[Sequence[Shot]], across: int = 2 + CODECS
) -> Image.Image:
    """Draw the comparison as one RGB picture; `shots[i]` are those of photograph i, ours first.

    `across` is the number of crops side by side.
    """
    ours = shots[0][0].codec
    rows = []
    for photograph, row in zip(photographs, shots, strict=True):
        original = rgb_pixels(read_picture(photograph))
        height, width = original.shape[:2]
        source = f"{photograph.stat().st_size:,} bytes as {photograph.suffix[1:].upper()}"
        about = (photograph.stem, f"{width} x {height} pixels", source)
        corner = differing_window(original, [shot.pixels for shot in row], CROP)
        cells = tuple(Cell(shot.codec, shot.pixels, _caption(shot)) for shot in row)
        rows.append(Row(original, about, corner, cells))
    return draw_sheet(
        "One photograph, one file size, four codecs",
        f"Crops of {CROP} x {CROP} pixels where the codecs err most, each decoded from the file "
        f"beside this picture; no file is larger than {ours}'s unless the caption says so.",
        rows,
        ours=ours,
        across=across,
    )


def _caption(shot: Shot) -> tuple[str, ...]:
    size = f"{shot.file_bytes:,} bytes, {shot.bpp:.3f} bpp"
    excuse = () if shot.fits else ("larger: its smallest file",)
    return (f"{shot.psnr:.2f} dB PSNR", size, *excuse)
