"""`flowcodec demo`: photographs and a clip through our codecs and others, side by side."""

from pathlib import Path

import click

from flowcodec.cli.measuring import progress_bar, say
from flowcodec.media.outputs import check_folder


@click.command()
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the files; it is made, files of these names are replaced.",
)
def command(folder: Path) -> None:
    """Compress three photographs to small files and show them beside JPEG, WebP and AVIF.

    All files have about the same size, none is larger than ours unless its codec cannot make it
    smaller. Look at comparison.png in the folder first. A short clip made of two of them is
    compressed too, beside x265: clip.mp4 plays both.
    """
    from flowcodec.codecs.loading import picture_codec, video_codec
    from flowcodec.evaluation.demo import (
        CODECS,
        QUALITY,
        code_photograph,
        coded_name,
        comparison_sheet,
        find_photographs,
    )
    from flowcodec.evaluation.demo_video import CLIP_STEPS, code_clip, render_clip
    from flowcodec.evaluation.sheet import save_png

    check_folder(folder)
    photographs = find_photographs()
    codec = picture_codec()
    folder.mkdir(parents=True, exist_ok=True)
    shots = []
    with progress_bar(CODECS * len(photographs), "coding") as advance:
        for photograph in photographs:
            row = []
            for shot in code_photograph(codec, "flowcodec", photograph, folder, QUALITY):
                row.append(shot)
                advance()
            shots.append(row)
    with progress_bar(CLIP_STEPS, "clip") as advance:
        video = video_codec()
        clip = code_clip(video, render_clip(*photographs[1:]), folder, advance)
    sheet = folder / "comparison.png"
    save_png(comparison_sheet(photographs, shots), sheet)

    from rich.console import Console
    from rich.table import Table

    table = Table(title="One photograph, one file size, four codecs")
    for title in ("file", "codec"):
        table.add_column(title)
    for title in ("bytes", "bits a pixel", "PSNR dB"):
        table.add_column(title, justify="right")
    for photograph, row in zip(photographs, shots, strict=True):
        for shot in row:
            name = shot.codec if shot.fits else f"{shot.codec} (its smallest file)"
            file = coded_name(photograph, shot)
            size = f"{len(shot.data):,}"
            table.add_row(file, name, size, f"{shot.bpp:.3f}", f"{shot.psnr:.2f}")
        table.add_section()
    films = Table(title="A clip of 24 frames, one file size, two codecs")
    for title in ("file", "codec"):
        films.add_column(title)
    for title in ("bytes", "PSNR dB"):
        films.add_column(title, justify="right")
    for film in clip:
        films.add_row(film.file, film.name, f"{film.bytes:,}", f"{film.psnr:.2f}")
    console = Console()
    console.print(table)
    console.print(films)
    say(console, f"Look at {sheet} and {folder / 'clip.mp4'}")
    console.print(
        "Then try a photograph of your own:\n"
        "  flowcodec encode photo.jpg -q 3\n"
        "  flowcodec decode photo.fci\n"
        "  flowcodec info photo.fci",
        highlight=False,
    )
