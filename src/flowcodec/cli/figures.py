"""`flowcodec figures`: for one picture, where its bits go and how it looks beside other codecs."""

from __future__ import annotations

from pathlib import Path

import click

from flowcodec.cli.measuring import codec_options, describe_codec, open_codec, progress_bar
from flowcodec.errors import UsageError

OURS = "flowcodec"
EXAMPLES = """\b
Examples:
  flowcodec figures photo.jpg -o figures
  flowcodec figures photo.jpg -o figures -q 2 --json figures/numbers.json
  flowcodec figures photo.jpg -o figures --weights mine.safetensors
"""


@click.command(epilog=EXAMPLES)
@click.argument("photo", type=click.Path(path_type=Path, dir_okay=False))
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
    type=click.FloatRange(1, 8),
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
    folder: Path,
    quality: float,
    model: str,
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
    """
    if folder.resolve() == photo.resolve().parent:
        raise UsageError(f"{folder} is the folder of {photo.name}: name another one with -o")

    from flowcodec.codecs.accounting import account_of
    from flowcodec.codecs.picture import PictureCodec
    from flowcodec.codecs.weights import without_refinement
    from flowcodec.evaluation.demo import CODECS, code_photograph, comparison_sheet
    from flowcodec.evaluation.figures import ACROSS, draw_latents, in_numbers, refinement_sheet
    from flowcodec.evaluation.metrics import psnr
    from flowcodec.evaluation.plot import check_matplotlib
    from flowcodec.evaluation.results import write_json
    from flowcodec.evaluation.run import rgb_pixels
    from flowcodec.evaluation.sheet import save_png
    from flowcodec.media.picture import read_picture

    check_matplotlib()
    original = rgb_pixels(read_picture(photo))
    codec = open_codec(model, metric, weights, device, threads)
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
    if codec.weights.config.refinement:
        bare = PictureCodec(without_refinement(codec.weights), device=device, threads=threads)
        unrefined = rgb_pixels(bare.decode(ours.data))
        before = psnr(original, unrefined)
        sheet = refinement_sheet(photo.stem, original, unrefined, ours.pixels)
        save_png(sheet, folder / "refinement.png")
        drawn.append("refinement.png")
    if json_path is not None:
        about = {
            "name": photo.name,
            "description": describe_codec(metric, weights, device, threads),
            "quality": quality,
            "width": original.shape[1],
            "height": original.shape[0],
        }
        write_json(json_path, about | in_numbers(photo, account, shots, before, ours.psnr))

    print(f"Look at {', '.join(drawn)} in {folder}")
    if before is None:
        print("No refinement.png: these weights have no decoded image refinement block (DIRB)")
    if json_path is not None:
        print(f"Figures: {json_path}")
