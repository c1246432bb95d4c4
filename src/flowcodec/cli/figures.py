"""`flowcodec figures`: where the bits of a picture or a P-frame go, and how it looks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowcodec.cli.measuring import Number, codec_options, describe_codec, progress_bar, system_for
from flowcodec.errors import UsageError
from flowcodec.media.names import printable
from flowcodec.media.outputs import check_folder, check_output

if TYPE_CHECKING:
    from flowcodec.codecs.systems import Kind

OURS = "flowcodec"
EXAMPLES = """\b
Examples:
  flowcodec figures photo.jpg -o figures
  flowcodec figures photo.jpg -o figures -q 2 --json figures/numbers.json
  flowcodec figures photo.jpg -o figures --weights mine.safetensors
  flowcodec figures first.png second.png -o figures
"""


@click.command(epilog=EXAMPLES)
@click.argument("photo", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("second", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the pictures; it is made, files of their names are replaced.",
)
@click.option(
    "-q",
    "--quality",
    type=Number(1, 8),
    default=4,
    show_default=True,
    help="Any number from 1 (small) to 8 (good).",
)
@codec_options
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the figures in numbers to this file.",
)
def command(
    photo: Path,
    second: Path | None,
    folder: Path,
    quality: float,
    model: str | None,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Draw what a picture costs and how it looks.

    \b
    latents.png     the energy of its latents and the bits spent on each square
    comparison.png  crops beside JPEG, WebP and AVIF of the same file size
    refinement.png  before and after refinement, for weights that have DIRB

    The coded files lie beside them. Colour alone is coded, without alpha and metadata.

    Of two pictures of one size, how a video model codes the second as the frame after the first:

    \b
    modes.png       flow, what is skipped and what is coded, and the bits spent on each square
    """
    photos = [photo] if second is None else [photo, second]
    for path in photos:
        if folder.resolve() == path.resolve().parent:
            raise UsageError(f"{folder} is the folder of {path.name}: name another one with -o")
    kind: Kind = "picture" if second is None else "inter"
    system = system_for(model, weights, kind)
    if system.kind != kind:
        wanted = {"picture": "one picture", "inter": "two pictures"}
        takes = wanted.get(system.kind, "no pictures")
        raise UsageError(f"{system.name} takes {takes} here, not {len(photos)}")
    check_folder(folder)
    if json_path is not None:
        check_output(json_path, makes_folders=True)
    settings = Settings(system.name, metric, weights, device, threads)
    if second is None:
        about = _draw_picture(photo, folder, quality, settings)
    else:
        about = _draw_frame(photo, second, folder, quality, settings)
    if json_path is not None:
        from flowcodec.evaluation.results import write_json

        json_path.parent.mkdir(parents=True, exist_ok=True)
        described = describe_codec(metric, weights, device, threads)
        write_json(json_path, {"description": described, "quality": quality, **about})
        print(f"Figures: {printable(json_path)}")


@dataclass(frozen=True)
class Settings:
    """How the codec is opened."""

    name: str
    metric: str
    weights: Path | None
    device: str
    threads: int | None


def _draw_frame(
    first: Path, second: Path, folder: Path, quality: float, settings: Settings
) -> dict[str, Any]:
    """Draw modes.png and return its numbers."""
    from flowcodec.codecs.loading import video_codec
    from flowcodec.evaluation.inter_figures import code_pair, draw_inter, in_numbers
    from flowcodec.evaluation.plot import check_matplotlib
    from flowcodec.evaluation.run import rgb_pixels
    from flowcodec.media.picture import read_picture

    check_matplotlib()
    pair = rgb_pixels(read_picture(first)), rgb_pixels(read_picture(second))
    codec = video_codec(**asdict(settings))
    account, decoded, size = code_pair(codec, *pair, quality)
    folder.mkdir(parents=True, exist_ok=True)
    pixels = decoded.shape[0] * decoded.shape[1]
    title = f"{second.name} after {first.name} at quality {quality:g}"
    bits = f"{size:,} bytes, {8 * size / pixels:.3f} bpp"
    draw_inter(folder / "modes.png", f"{title}: {bits}", pair, decoded, account)
    print(f"Look at modes.png in {printable(folder)}")
    about = {"name": second.name, "width": decoded.shape[1], "height": decoded.shape[0]}
    return about | in_numbers(account, decoded, pair[1], size)


def _draw_picture(photo: Path, folder: Path, quality: float, settings: Settings) -> dict[str, Any]:
    """Draw the figures of a picture and return their numbers."""
    from flowcodec.codecs.accounting import account_of
    from flowcodec.codecs.loading import picture_codec
    from flowcodec.evaluation.demo import CODECS, code_photograph, comparison_sheet
    from flowcodec.evaluation.figures import ACROSS, draw_latents, in_numbers, refinement_sheet
    from flowcodec.evaluation.metrics import psnr
    from flowcodec.evaluation.plot import check_matplotlib
    from flowcodec.evaluation.run import rgb_pixels
    from flowcodec.evaluation.sheet import save_png
    from flowcodec.media.picture import read_picture

    check_matplotlib()
    original = rgb_pixels(read_picture(photo))
    codec = picture_codec(**asdict(settings))
    folder.mkdir(parents=True, exist_ok=True)
    shots = []
    with progress_bar(CODECS, "coding") as advance:
        for shot in code_photograph(codec, OURS, photo, folder, quality):
            shots.append(shot)
            advance()
    ours = shots[0]
    account = account_of(codec, ours.data)
    title = f"{photo.stem} at quality {quality:g}: {len(ours.data):,} bytes, {ours.bpp:.3f} bpp"
    draw_latents(folder / "latents.png", title, original, account)
    save_png(comparison_sheet([photo], [shots], ACROSS), folder / "comparison.png")
    drawn = ["latents.png", "comparison.png"]
    before = None
    if bare := codec.without_refinement():
        unrefined = rgb_pixels(bare.decode(ours.data))
        before = psnr(original, unrefined)
        sheet = refinement_sheet(photo.stem, original, unrefined, ours.pixels)
        save_png(sheet, folder / "refinement.png")
        drawn.append("refinement.png")
    print(f"Look at {', '.join(drawn)} in {printable(folder)}")
    if before is None:
        print("No refinement.png: these weights have no decoded image refinement block (DIRB)")
    about = {"name": photo.name, "width": original.shape[1], "height": original.shape[0]}
    return about | in_numbers(photo, account, shots, before, ours.psnr)
