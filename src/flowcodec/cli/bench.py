"""`flowcodec bench`: our codec against others over the same pictures, as curves and BD-rates."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowcodec.cli import bench_video
from flowcodec.cli.measuring import (
    Qualities,
    codec_options,
    describe_codec,
    names_in,
    pictures_in,
    print_bd_rates,
    print_evaluation,
    progress_bar,
    refuse_given,
    say,
    system_for,
)
from flowcodec.errors import UsageError
from flowcodec.evaluation.peers import (
    PEERS,
    PUBLISHED,
    Peer,
    PublishedCurve,
    curves_named,
    is_kodak,
    peer_named,
)
from flowcodec.media.outputs import check_output

if TYPE_CHECKING:
    from flowcodec.evaluation.comparison import Comparison
    from flowcodec.evaluation.run import Codec

EXAMPLES = """\b
Examples:
  flowcodec bench --data kodak/
  flowcodec bench --data kodak/ --against jpeg,webp,avif,jpeg2000,jxl,heic
  flowcodec bench --data kodak/ --published bpg,vtm,cheng2020 --plot rd.png --plot rd.svg
  flowcodec bench --data photos/ --qualities 1,3,5,7 --report report.html --json figures.json
  flowcodec bench --weights mine.safetensors --data photos/ --against avif
"""
FOLDER = Path("bench-out")


@dataclass(frozen=True)
class Outputs:
    """The files to write."""

    json: Path | None
    plots: Sequence[Path]
    report: Path | None


@click.command(epilog=EXAMPLES)
@codec_options
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of pictures; of videos for a video model.",
)
@click.option(
    "--against",
    help=f"Codecs to run for comparison: {', '.join(PEERS)} [default: jpeg,webp,avif];"
    " with weights for yuv those three alone, in 4:2:0; for videos x265-veryfast, x265-medium,"
    " x265-veryslow, x264-veryfast, svt-av1, vp9, vvenc-faster"
    " [default: x265-veryfast,x264-veryfast,svt-av1].",
)
@click.option(
    "--gop",
    type=click.IntRange(1),
    help="Videos: frames of a group, ours and the others'. [default: 12]",
)
@click.option("--frames", type=click.IntRange(1), help="Videos: how many of each. [default: 32]")
@click.option(
    "--apart",
    metavar="NAMES",
    default="",
    help="Videos: also average those whose names hold one of these words, and the others.",
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
    metavar="NAMES",
    is_flag=False,
    flag_value="all",
    default="",
    help="Published curves to compare with as well, for the 24 Kodak pictures only: "
    f"{', '.join(PUBLISHED)}; without names, all of them.",
)
@click.option(
    "--no-ssimulacra2",
    is_flag=True,
    help="Leave SSIMULACRA2 out. It is measured where its package is installed "
    "(pip install 'flowcodec[ssimulacra2]') and takes about a second a picture and quality.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all figures, curves and BD-rates, to this file.",
)
@click.option(
    "--plot",
    "plot_paths",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="Draw the curves to this .png or .svg. May be given several times.",
)
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write one HTML file with plots, tables, and pictures under a slider.",
)
def command(
    model: str | None,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    data: Path,
    against: str | None,
    gop: int | None,
    frames: int | None,
    apart: str,
    qualities: list[float],
    published: str,
    no_ssimulacra2: bool,
    json_path: Path | None,
    plot_paths: tuple[Path, ...],
    report_path: Path | None,
) -> None:
    """Compare our codec with others: rate-distortion curves and BD-rates, from real files.

    Without --json, --plot and --report, all of these go into the folder bench-out; of videos,
    tables are printed alone. With weights for yuv, planes in 4:2:0 are compared as well: PSNR of
    Y, Cb and Cr weighted 6:1:1.
    """
    system = system_for(model, weights, "picture")
    model = system.name
    if system.kind == "inter":
        refuse_given(
            "is for pictures, not for videos", "published", "report_path", "no_ssimulacra2"
        )
        wanted = bench_video.Options(
            model=model,
            metric=metric,
            weights=weights,
            device=device,
            threads=threads,
            data=data,
            qualities=qualities,
            against="x265-veryfast,x264-veryfast,svt-av1" if against is None else against,
            gop=gop or bench_video.GOP,
            frames=frames or bench_video.FRAMES,
            apart=apart,
            json=json_path,
            plots=plot_paths,
        )
        bench_video.run(wanted)
        return
    refuse_given("is for videos, and --model for pictures", "gop", "frames", "apart")
    outputs = _outputs(json_path, plot_paths, report_path)
    paths = pictures_in(data)
    planes = metric == "yuv"
    names = names_in("jpeg,webp,avif" if against is None else against)
    peers = [peer_named(name, planes=planes) for name in names]
    curves = _published(published, paths, data)

    from flowcodec.codecs.loading import picture_codec
    from flowcodec.evaluation.comparison import Comparison
    from flowcodec.evaluation.metrics import has_ssimulacra2
    from flowcodec.evaluation.run import evaluate, evaluate_peer

    score = has_ssimulacra2() and not no_ssimulacra2
    codec = picture_codec(model, metric=metric, weights=weights, device=device, threads=threads)
    about = describe_codec(metric, weights, device, threads)
    with progress_bar(len(paths) * len(qualities), model) as advance:
        ours = evaluate(
            codec,
            paths,
            qualities,
            advance,
            name=model,
            description=about,
            ssimulacra2=score,
            planes=planes,
        )
    measured = {}
    for peer in peers:
        with progress_bar(len(paths) * len(peer.sweep), peer.title) as advance:
            measured[peer.name] = evaluate_peer(peer, paths, peer.sweep, advance, ssimulacra2=score)
    comparison = Comparison(ours, measured, curves, data.resolve().name)
    _write_figures(outputs, comparison)
    if outputs.report is not None:
        _write_report(outputs.report, comparison, codec, paths, peers)
    _print(comparison, outputs)


def _published(names: str, paths: Sequence[Path], data: Path) -> dict[str, PublishedCurve]:
    """The published curves asked for. Raises UsageError where they do not compare."""
    curves = curves_named(names_in(names))
    if curves and not is_kodak(paths):
        raise UsageError(f"--published compares on kodim01 to kodim24, which {data} is not")
    return curves


def _outputs(json: Path | None, plots: Sequence[Path], report: Path | None) -> Outputs:
    """What to write: the files asked for, or everything. Raises UsageError or MediaError where that
    cannot be."""
    from flowcodec.evaluation.plot import check_plot_path
    from flowcodec.evaluation.report import check_can_report

    usual = not (json or plots or report)
    if usual:
        json, report = FOLDER / "figures.json", FOLDER / "report.html"
        plots = [FOLDER / "curves.png", FOLDER / "curves.svg"]
    for path in filter(None, (json, *plots, report)):
        check_output(path, makes_folders=usual)
    for plot in plots:
        check_plot_path(plot)
    if report is not None:
        check_can_report()
    return Outputs(json, plots, report)


def _write_figures(outputs: Outputs, comparison: "Comparison") -> None:
    """The JSON and the plots."""
    from flowcodec.evaluation.plot import plot_curves
    from flowcodec.evaluation.results import write_json

    if outputs.json is not None:
        outputs.json.parent.mkdir(exist_ok=True)
        write_json(outputs.json, comparison.as_json())
    title = f"Mean of {comparison.pictures}"
    for path in outputs.plots:
        first = comparison.ours["name"]
        plot_curves(comparison.curves, path, title, first, comparison.published)


def _write_report(
    path: Path,
    comparison: "Comparison",
    codec: "Codec",
    paths: Sequence[Path],
    peers: Sequence[Peer],
) -> None:
    """Code some pictures at equal bytes, and write the page."""
    from flowcodec.evaluation.report import code_pictures, pictures_to_show, write_report

    shown = pictures_to_show(paths)
    with progress_bar(len(shown) * (1 + len(peers)), "pictures of the report") as advance:
        name = comparison.ours["name"]
        pictures = list(code_pictures(codec, name, shown, peers, advance))
    write_report(path, comparison, pictures)


def _print(comparison: "Comparison", outputs: Outputs) -> None:
    """The tables, and where the files are."""
    from rich.console import Console

    console = Console()
    for evaluation in (comparison.ours, *comparison.peers.values()):
        print_evaluation(console, evaluation)
    print_bd_rates(console, comparison.ours["name"], comparison.rates)
    files = {"Figures": [outputs.json], "Plot": outputs.plots, "Report": [outputs.report]}
    for what, written in files.items():
        for path in filter(None, written):
            say(console, f"{what}: {path}")
