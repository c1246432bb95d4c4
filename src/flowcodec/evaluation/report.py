"""One HTML file that shows a comparison: plots, tables, and pictures under a slider."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.evaluation.comparison import Comparison
from flowcodec.evaluation.metrics import Pixels
from flowcodec.evaluation.peers import Peer
from flowcodec.evaluation.plot import svg_panels
from flowcodec.evaluation.run import Codec, rgb_pixels
from flowcodec.evaluation.sheet import differing_window
from flowcodec.evaluation.shots import Shot, equal_bytes
from flowcodec.evaluation.tables import Table, table_of_means, table_of_points, table_of_rates
from flowcodec.media.files import atomic_write
from flowcodec.media.picture import Picture, read_picture

QUALITY = 3.0  # ours, of the pictures under the slider
PICTURES = 4
CODED = 1024  # pixels a side: what is coded of a larger picture is the middle
SHOWN = 320  # pixels a side: what is shown is the window where the codecs err most


@dataclass(frozen=True)
class Compared:
    """A picture, RGB uint8 (H, W, 3), and what codecs made of it at equal bytes, ours first."""

    name: str
    original: Pixels
    shots: Sequence[Shot]


@dataclass(frozen=True)
class _View:
    """What the page shows of one coding: a data URI, and a line about the file."""

    source: str
    about: str


def pictures_to_show(paths: Sequence[Path]) -> list[Path]:
    """PICTURES of the paths, evenly spread; all where there are fewer."""
    count = min(PICTURES, len(paths))
    return [paths[len(paths) * (2 * index + 1) // (2 * count)] for index in range(count)]


def code_pictures(
    codec: Codec,
    title: str,
    paths: Sequence[Path],
    peers: Sequence[Peer],
    progress: Callable[[], None],
) -> Iterator[Compared]:
    """Code each picture (the middle of a large one) at QUALITY, and by peers at that size.

    `progress` is called after each coding: (1 + len(peers)) times a picture.
    """
    for path in paths:
        original = _middle(rgb_pixels(read_picture(path)))
        shots = []
        for shot in equal_bytes(codec, title, Picture(original), QUALITY, peers):
            shots.append(shot)
            progress()
        yield Compared(path.name, original, shots)


def check_can_report() -> None:
    """Raise UsageError when a package that the report needs is absent."""
    for package in ("jinja2", "matplotlib"):
        if find_spec(package) is None:
            raise UsageError(f"a report needs {package}: pip install 'flowcodec[bench]'")


def write_report(path: Path, comparison: Comparison, pictures: Sequence[Compared]) -> None:
    """Write the page. It needs no other file and no network, and forbids itself both."""
    import jinja2

    text = resources.files(__package__).joinpath("report.html").read_text("utf-8")
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    figures = [(compared.name, _views(compared)) for compared in pictures]
    html = page.from_string(text).render(
        comparison=comparison,
        plots=svg_panels(comparison.curves, comparison.ours["name"], comparison.published),
        rates=table_of_rates(comparison.rates),
        codecs=_codecs(comparison),
        titles=[shot.codec for shot in pictures[0].shots],
        figures=figures,
        quality=f"{QUALITY:g}",
    )
    with atomic_write(path) as file:
        file.write(html.encode(errors="backslashreplace"))


def _codecs(comparison: Comparison) -> list[tuple[str, str, Table]]:
    """Name, description and figures of each curve."""
    measured = [comparison.ours, *comparison.peers.values()]
    return [
        *((one["name"], one["description"], table_of_means(one)) for one in measured),
        *(
            (title, curve.origin, table_of_points(curve.results))
            for title, curve in comparison.published.items()
        ),
    ]


def _views(compared: Compared) -> list[_View]:
    """The window of the original where the codecs err most, then the same of each shot."""
    original = compared.original
    top, left = differing_window(original, [shot.pixels for shot in compared.shots], SHOWN)
    height, width = original.shape[:2]

    def view(pixels: Pixels, about: str) -> _View:
        return _View(_data_uri(pixels[top : top + SHOWN, left : left + SHOWN]), about)

    place = f"from ({left}, {top}) of {width} x {height} pixels"
    return [view(original, place), *(view(shot.pixels, _about(shot)) for shot in compared.shots)]


def _about(shot: Shot) -> str:
    size = f"{len(shot.data):,} bytes, {shot.bpp:.3f} bpp, {shot.psnr:.2f} dB PSNR"
    return size if shot.fits else f"{size} (its smallest file)"


def _middle(pixels: Pixels) -> Pixels:
    """At most CODED x CODED pixels of the middle, contiguous."""
    height, width = pixels.shape[:2]
    top, left = max(0, height - CODED) // 2, max(0, width - CODED) // 2
    return pixels[top : top + CODED, left : left + CODED].copy()


def _data_uri(pixels: Pixels) -> str:
    """The pixels, unchanged, as lossless WebP inside an address."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, method=6)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
