"""`flowcodec eval` of a video codec: curves of whole files, or the CLIC20 P-frame test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowcodec.cli.bench_video import Options, means, run
from flowcodec.cli.measuring import describe_codec, print_table, progress_bar

FRAMES, GOP = 32, 12


def evaluate_video(
    model: str,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    data: Path,
    qualities: Sequence[float],
    json_path: Path | None,
) -> None:
    """The first 32 frames of every video of a folder in groups of 12, by our codec alone."""
    run(
        Options(
            model=model,
            metric=metric,
            weights=weights,
            device=device,
            threads=threads,
            data=data,
            qualities=qualities,
            against="",
            gop=GOP,
            frames=FRAMES,
            apart="",
            json=json_path,
            plots=(),
        )
    )


def evaluate_clic20(
    model: str,
    metric: str,
    weights: Path | None,
    device: str,
    threads: int | None,
    data: Path,
    pairs: int,
    qualities: Sequence[float],
    json_path: Path | None,
) -> None:
    """P-frames after a lossless frame, beside x265 medium under the same condition."""
    from rich.console import Console

    import flowcodec
    from flowcodec.codecs.video import VideoCodec
    from flowcodec.evaluation.results import write_json
    from flowcodec.evaluation.tables import Table
    from flowcodec.evaluation.video.clic20 import (
        ANCHOR,
        SWEEP,
        PairComparison,
        evaluate_pairs,
        evaluate_x265,
        read_pairs,
    )

    found = read_pairs(data, pairs)
    codec = flowcodec.load(model, metric=metric, weights=weights, device=device, threads=threads)
    assert isinstance(codec, VideoCodec)
    with progress_bar(len(found) * len(qualities), model) as advance:
        ours = evaluate_pairs(codec, found, qualities, advance)
    with progress_bar(len(found) * len(SWEEP), ANCHOR) as advance:
        theirs = evaluate_x265(found, advance)
    about = describe_codec(metric, weights, device, threads)
    comparison = PairComparison(ours, theirs, about)
    if json_path is not None:
        write_json(json_path, comparison.as_json())
    console = Console()
    for name, curves in ((model, ours), (ANCHOR, theirs)):
        print_table(console, f"{name}: mean of {len(curves)} P-frames", means(curves))
    rates = comparison.rates
    rows = [
        [pair, *("-" if rates[m][pair] is None else f"{rates[m][pair]:+.1f} %" for m in rates)]
        for pair in rates["ms-ssim"]
    ]
    title = f"BD-rate of {model} against {ANCHOR}, reference lossless"
    print_table(console, title, Table(["pair", "MS-SSIM", "PSNR"], rows, []))
