"""`flowcodec eval --protocol clic20-pframe`: P-frames after a lossless frame."""

from __future__ import annotations

from flowcodec.cli.bench_video import Options, in_percent, means
from flowcodec.cli.measuring import print_table, progress_bar


def evaluate_clic20(options: Options, pairs: int) -> None:
    """Beside x265 medium under the same condition; `pairs` of each video."""
    from rich.console import Console

    from flowcodec.evaluation.results import write_json
    from flowcodec.evaluation.tables import Table
    from flowcodec.evaluation.video.clic20 import (
        SWEEP,
        X265,
        PairComparison,
        evaluate_pairs,
        evaluate_x265,
        read_pairs,
    )

    found = read_pairs(options.data, pairs)
    codec = options.open()
    with progress_bar(len(found) * len(options.qualities), options.model) as advance:
        ours = evaluate_pairs(codec, found, options.qualities, advance)
    with progress_bar(len(found) * len(SWEEP), X265.name) as advance:
        theirs = evaluate_x265(found, advance)
    comparison = PairComparison(ours, theirs, options.describe())
    if options.json is not None:
        write_json(options.json, comparison.as_json())
    console = Console()
    for name, curves in ((options.model, ours), (X265.name, theirs)):
        print_table(console, f"{name}: mean of {len(curves)} P-frames", means(curves))
    rates = comparison.rates
    rows = in_percent([rates["ms-ssim"], rates["psnr"]])
    title = f"BD-rate of {options.model} against {X265.name}, reference lossless"
    print_table(console, title, Table(["pair", "MS-SSIM", "PSNR"], rows, []))
