"""`flowcodec bench` and `eval` of a video codec: curves of whole files over sequences."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowcodec.cli.measuring import describe_codec, names_in, print_table, progress_bar
from flowcodec.evaluation.tables import Table, decibels
from flowcodec.media.files import atomic_write
from flowcodec.media.outputs import check_output

if TYPE_CHECKING:
    from flowcodec.codecs.video import VideoCodec
    from flowcodec.evaluation.video.comparison import VideoComparison
    from flowcodec.evaluation.video.run import Curves

GOP, FRAMES = 12, 32


@dataclass(frozen=True)
class Options:
    """What to measure, and where to write it."""

    model: str
    metric: str
    weights: Path | None
    device: str
    threads: int | None
    data: Path
    qualities: Sequence[float]
    against: str = ""
    gop: int = GOP
    frames: int = FRAMES
    apart: str = ""
    json: Path | None = None
    plots: Sequence[Path] = ()

    def open(self) -> VideoCodec:
        """The codec to measure."""
        from flowcodec.codecs.loading import video_codec

        return video_codec(
            self.model,
            metric=self.metric,
            weights=self.weights,
            device=self.device,
            threads=self.threads,
        )

    def describe(self) -> str:
        """How it is run, for the description of a result."""
        return describe_codec(self.metric, self.weights, self.device, self.threads)


def run(options: Options) -> None:
    """Measure, print, write."""
    from rich.console import Console

    from flowcodec.evaluation.video.comparison import VideoComparison
    from flowcodec.evaluation.video.peers import peers_named
    from flowcodec.evaluation.video.plot import check_plot_path, plot_curves
    from flowcodec.evaluation.video.run import evaluate, evaluate_peer
    from flowcodec.evaluation.video.sequences import find_sequences, read_sequence

    for plot in options.plots:
        check_plot_path(plot)
        check_output(plot)
    if options.json is not None:
        check_output(options.json)
    peers = peers_named(names_in(options.against))
    sequences = [read_sequence(path, options.frames) for path in find_sequences(options.data)]
    codec = options.open()
    total = len(sequences) * len(options.qualities)
    with progress_bar(total, options.model) as advance:
        ours = evaluate(codec, sequences, options.qualities, options.gop, advance)
    measured: dict[str, Curves] = {}
    for peer in peers:
        with progress_bar(len(sequences) * len(peer.sweep), peer.title) as advance:
            measured[peer.name] = evaluate_peer(peer, sequences, options.gop, advance)
    comparison = VideoComparison(
        name=options.model,
        ours=ours,
        peers=measured,
        descriptions={
            options.model: options.describe(),
            **{a.name: a.description for a in peers},
        },
        gop=options.gop,
        frames=options.frames,
        apart=names_in(options.apart),
    )
    if options.json is not None:
        with atomic_write(options.json) as file:
            file.write(json.dumps(comparison.as_json(), indent=1).encode() + b"\n")
    for plot in options.plots:
        plot_curves(comparison, plot)
    console = Console()
    for name, curves in {options.model: ours, **measured}.items():
        print_table(console, f"{name}: mean of {len(curves)} sequences", means(curves))
    if measured:
        title = f"BD-rate of {options.model}: size at equal quality, GOP {options.gop}"
        print_table(console, title, rates(comparison))


def means(curves: Curves) -> Table:
    """Means over sequences, a row a quality."""
    from flowcodec.evaluation.video.run import mean_psnr

    exact = any(math.isinf(psnr) for c in curves.values() for p in c for psnr in p.frame_psnr)
    notes = ["Frames that came back exact are not in the mean PSNR."] if exact else []
    rows: list[list[str]] = []
    for points in zip(*curves.values(), strict=True):
        count = len(points)
        similar = [point.ms_ssim for point in points if point.ms_ssim is not None]
        rows.append(
            [
                f"{points[0].quality:g}",
                f"{sum(point.bpp for point in points) / count:.4f}",
                decibels(mean_psnr(point.psnr for point in points)),
                f"{sum(similar) / len(similar):.4f}" if similar else "-",
                f"{sum(point.encode_seconds for point in points) / count:.3f}",
                f"{sum(point.decode_seconds for point in points) / count:.3f}",
            ]
        )
    headings = ["quality", "bpp", "PSNR dB", "MS-SSIM", "encode s a frame", "decode s a frame"]
    return Table(headings, rows, notes)


def rates(comparison: VideoComparison) -> Table:
    """BD-rates by sequence, a column a peer and measure."""
    found: Mapping[str, Mapping[str, Mapping[str, float | None]]] = comparison.rates
    columns = [(peer, measure) for peer in found for measure in found[peer]]
    headings = ["sequence", *(f"{peer} {measure}" for peer, measure in columns)]
    return Table(headings, in_percent([found[peer][m] for peer, m in columns]), [])


def in_percent(columns: Sequence[Mapping[str, float | None]]) -> list[list[str]]:
    """A row for each name of columns of BD-rates, "-" where there is none."""
    return [
        [name, *("-" if column[name] is None else f"{column[name]:+.1f} %" for column in columns)]
        for name in columns[0]
    ]
