"""`flowcodec eval`: rate and quality of pictures and videos, or errors of optical flow."""

from pathlib import Path

import click

from flowcodec.cli import bench_video
from flowcodec.cli.eval_clic20 import evaluate_clic20
from flowcodec.cli.eval_flow import evaluate_flow
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
from flowcodec.media.outputs import check_output

CLIC20 = "clic20-pframe"


@click.command()
@codec_options
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of pictures; of the 24 Kodak pictures, BD-rates are printed too. Of videos, or of "
    "folders of frames, for video. For flow: pairs "
    "with known flow as they are published, or videos and folders of frames.",
)
@click.option(
    "--qualities",
    type=Qualities(),
    default="1-8",
    show_default=True,
    help="Pictures and videos: such as 1-8, or 1,2.5,4.",
)
@click.option(
    "--against",
    metavar="NAMES",
    help="Flow: dis-ultrafast, dis-medium, farneback or none of them (''). Default: all, where "
    "OpenCV is installed.",
)
@click.option(
    "--protocol",
    type=click.Choice([CLIC20]),
    help="Video: P-frames after a lossless frame, beside x265 medium under the same condition.",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Of a video, for the protocol.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all figures, means and per picture or pair, to this file.",
)
def command(
    model: str | None,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    data: Path,
    qualities: list[float],
    against: str | None,
    protocol: str | None,
    pairs: int,
    json_path: Path | None,
) -> None:
    """Measure pictures, videos or flow.

    Pictures: encode every one to bytes, decode them, compare. Bits a pixel count the whole file.
    PSNR is RGB, averaged over pictures; MS-SSIM is averaged as a linear value. With weights for
    yuv, PSNR of planes in 4:2:0 comes beside it, Y, Cb and Cr weighted 6:1:1.

    Videos: the same of whole files in groups of 12 frames, the first 32 of each video.

    Flow: end-point errors where the flow is known; PSNR of each frame predicted from the next
    one in videos.
    """
    if json_path is not None:
        check_output(json_path)
    system = system_for(model, weights, "picture")
    nothing = f"means nothing to {system.name}: leave it out"
    if system.kind == "flow":
        refuse_given(nothing, "metric", "qualities", "protocol", "pairs")
        names = None if against is None else names_in(against)
        evaluate_flow(system.name, data, names, weights, device, threads, json_path)
    elif system.kind == "inter":
        refuse_given(nothing, "against")
        wanted = bench_video.Options(
            system.name, metric, weights, device, threads, data, qualities, json=json_path
        )
        if protocol is None:
            refuse_given("is for --protocol: leave it out, or name one", "pairs")
            bench_video.run(wanted)
        else:
            evaluate_clic20(wanted, pairs)
    else:
        refuse_given(nothing, "against", "protocol", "pairs")
        _evaluate_pictures(
            system.name, metric, weights, device, threads, data, qualities, json_path
        )


def _evaluate_pictures(
    model: str,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    data: Path,
    qualities: list[float],
    json_path: Path | None,
) -> None:
    paths = pictures_in(data)

    from flowcodec.codecs.loading import picture_codec
    from flowcodec.evaluation.bd_rate import compare
    from flowcodec.evaluation.peers import curves_named, is_kodak
    from flowcodec.evaluation.results import write_json
    from flowcodec.evaluation.run import evaluate

    codec = picture_codec(model, metric=metric, weights=weights, device=device, threads=threads)
    with progress_bar(len(paths) * len(qualities), model) as advance:
        evaluation = evaluate(
            codec,
            paths,
            qualities,
            advance,
            name=model,
            description=describe_codec(metric, weights, device, threads),
            planes=metric == "yuv",
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
        say(console, f"Figures: {json_path}")
