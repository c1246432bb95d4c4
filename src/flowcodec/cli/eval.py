"""`flowcodec eval`: rate and quality of our codec over a folder of pictures, from real files."""

from pathlib import Path

import click

from flowcodec.cli.measuring import (
    Qualities,
    codec_options,
    describe_codec,
    pictures_in,
    print_bd_rates,
    print_evaluation,
    progress_bar,
)


@click.command()
@codec_options
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of pictures; of the 24 Kodak pictures, BD-rates are printed too.",
)
@click.option(
    "--qualities",
    type=Qualities(),
    default="1-8",
    show_default=True,
    help="Such as 1-8, or 1,2.5,4.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all figures, means and per picture, to this file.",
)
def command(
    model: str,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    data: Path,
    qualities: list[float],
    json_path: Path | None,
) -> None:
    """Measure rate and quality: encode every picture to bytes, decode them, compare.

    Bits a pixel count the whole file. PSNR is RGB, averaged over pictures; MS-SSIM is averaged
    as a linear value.
    """
    paths = pictures_in(data)

    import flowcodec
    from flowcodec.evaluation.anchors import curves_named, is_kodak
    from flowcodec.evaluation.bd_rate import compare
    from flowcodec.evaluation.results import write_json
    from flowcodec.evaluation.run import evaluate

    codec = flowcodec.load(model, metric=metric, weights=weights, device=device, threads=threads)
    with progress_bar(len(paths) * len(qualities), model) as advance:
        evaluation = evaluate(
            codec,
            paths,
            qualities,
            advance,
            name=model,
            description=describe_codec(metric, weights, device, threads),
        )
    rates = {}
    if is_kodak(paths):
        for title, curve in curves_named(["bpg"]).items():
            rates[title] = compare(evaluation["results"], curve.results)
    if json_path is not None:
        write_json(json_path, {**evaluation, "bd_rate": rates} if rates else evaluation)

    from rich.console import Console

    console = Console()
    print_evaluation(console, evaluation)
    if rates:
        print_bd_rates(console, model, rates)
    if json_path is not None:
        console.print(f"Figures: {json_path}", highlight=False)
