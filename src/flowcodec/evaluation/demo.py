"""The demonstration: real photographs through our codec, and through others at the same size."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.evaluation.peers import peer_named
from flowcodec.evaluation.run import Codec, rgb_pixels
from flowcodec.evaluation.sheet import CROP, Cell, Row, differing_window, draw_sheet
from flowcodec.evaluation.shots import Shot, equal_bytes
from flowcodec.media.files import atomic_write
from flowcodec.media.picture import Picture, read_picture, write_picture

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")
PEER_NAMES = ("jpeg", "webp", "avif")
CODECS = 1 + len(PEER_NAMES)  # shots of each photograph
QUALITY = 2.5


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
    """Code a photograph with `codec` at `quality`, then with each peer at that size or below.

    Colour alone is coded, without alpha and metadata. Writes NAME.fci and what was decoded from it
    as NAME.fci.png, and the peers' files beside them; yields a Shot after each, ours first,
    CODECS in all.
    """
    colour = Picture(rgb_pixels(read_picture(photograph)))
    peers = [peer_named(name) for name in PEER_NAMES]
    for shot in equal_bytes(codec, title, colour, quality, peers):
        file = folder / coded_name(photograph, shot)
        with atomic_write(file) as output:
            output.write(shot.data)
        if shot.codec == title:
            write_picture(shot.decoded, folder / f"{file.name}.png")
        yield shot


def coded_name(photograph: Path, shot: Shot) -> str:
    """The name of a photograph's file from one codec."""
    return f"{photograph.stem}{shot.suffix}"


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
    size = f"{len(shot.data):,} bytes, {shot.bpp:.3f} bpp"
    excuse = () if shot.fits else ("larger: its smallest file",)
    return (f"{shot.psnr:.2f} dB PSNR", size, *excuse)
