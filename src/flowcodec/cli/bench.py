"""`flowcodec bench`: our codec against others over the same pictures, as curves and BD-rates."""

from pathlib import Path
from typing import Any

import click

from flowcodec.cli.measuring import (
    PUBLISHED_ANCHOR,
    Qualities,
    codec_options,
    describe_codec,
    names_in,
    pictures_in,
    print_bd_rates,
    print_evaluation,
    progress_bar,
)
from flowcodec.errors import UsageError


@click.command()
@codec_options
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of pictures.")
@click.option(
    "--against",
    default="jpeg,webp,avif",
    show_default=True,
    help="Codecs to compare with: jpeg, webp, avif, jpeg2000, jxl.",
)
@click.option(
    "--qualities",
    type=Qualities(),
    default="1-8",
    show_default=True,
    help="Ours, such as 1-8 or 1,2.5,4. The others run over a sweep of their own scale.",
)
@click.option(
    "--published",
    is_flag=True,
    help="Compare with the published BPG 4:4:4 curve as well (24 Kodak pictures only).",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Write all curves and BD-rates to this file.",
)
@click.option(
    "--plot",
    "plot_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the curves to this .png or .svg.",
)
def command(
    model: str,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    data: Path,
    against: str,
    qualities: list[float],
    published: bool,
    json_path: Path,
    plot_path: Path | None,
) -> None:
    """Compare our codec with others: rate-distortion curves and BD-rates, from real files."""
    paths = pictures_in(data)

    import flowcodec
    from flowcodec.evaluation.anchors import anchor_named, is_kodak, published_curves
    from flowcodec.evaluation.bd_rate import MEASURES, compare
    from flowcodec.evaluation.plot import check_plot_path, plot_curves
    from flowcodec.evaluation.results import write_json
    from flowcodec.evaluation.run import evaluate, evaluate_anchor

    anchors = [anchor_named(name) for name in names_in(against)]
    if plot_path is not None:
        check_plot_path(plot_path)
    if published and not is_kodak(paths):
        raise UsageError(f"--published compares on kodim01 to kodim24, which {data} is not")

    codec = flowcodec.load(model, metric=metric, weights=weights, device=device, threads=threads)
    description = describe_codec(metric, weights, device, threads)
    with progress_bar(len(paths) * len(qualities), model) as advance:
        ours = evaluate(codec, paths, qualities, advance, name=model, description=description)
    curves: dict[str, Any] = {model: ours}
    for anchor in anchors:
        with progress_bar(len(paths) * len(anchor.sweep), anchor.title) as advance:
            curves[anchor.name] = evaluate_anchor(anchor, paths, anchor.sweep, advance)
    if published:
        curve = published_curves()[PUBLISHED_ANCHOR]
        title = f"{PUBLISHED_ANCHOR} (published)"
        curves[title] = {
            "name": title,
            "description": "{repo}, {path}, {snapshot}".format(**curve.source),
            "results": curve.results,
        }
    rates = {
        name: compare(ours["results"], curve["results"])
        for name, curve in curves.items()
        if name != model
    }
    write_json(
        json_path,
        {
            "name": f"{model} against {', '.join(rates)}",
            "description": f"BD-rates of {model} in percent over {len(paths)} pictures of "
            f"{data.resolve().name}; below 0, {model} needs fewer bytes",
            "bd_rate_range_db": {name: [what.low, what.high] for name, what in MEASURES.items()},
            "bd_rate": rates,
            "curves": curves,
        },
    )
    if plot_path is not None:
        title = f"{data.resolve().name}: mean of {len(paths)} pictures"
        named = {curve["name"]: curve["results"] for curve in curves.values()}
        plot_curves(named, plot_path, title, first=model)

    from rich.console import Console

    console = Console()
    for name in (model, *(anchor.name for anchor in anchors)):
        print_evaluation(console, curves[name])
    print_bd_rates(console, model, rates)
    console.print(f"Figures: {json_path}", highlight=False)
    if plot_path is not None:
        console.print(f"Plot: {plot_path}", highlight=False)
