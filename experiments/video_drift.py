"""Quality over a group: `python -m experiments.video_drift --data FOLDER`.

For each sequence, by how much the last P-frame of a group of 32 is worse than the first one, in dB
of RGB PSNR; and the same of x265 at a constant QP, the one whose mean is nearest to ours.
"""

from __future__ import annotations

from pathlib import Path

import click

import flowcodec
from benchmarks.machine import cpu_name
from flowcodec.evaluation.results import write_json
from flowcodec.evaluation.video.peers import VideoPeer
from flowcodec.evaluation.video.run import Point, measure, measure_peer
from flowcodec.evaluation.video.sequences import find_sequences, read_sequence

GROUP = 32
CONSTANT = VideoPeer(
    "x265-constant-qp",
    "H.265 veryfast, constant QP",
    "libx265",
    "hevc",
    (20, 23, 26, 29, 32, 35, 38),
    "preset veryfast, tune zerolatency, x265-params qp=Q:ipratio=1:keyint=GOP:scenecut=0:info=0",
    lambda quality, gop: {
        "preset": "veryfast",
        "tune": "zerolatency",
        "x265-params": f"qp={quality}:ipratio=1:keyint={gop}:min-keyint={gop}:scenecut=0:info=0"
        ":log-level=none",
    },
)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--quality", default=4.0, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False))
def main(
    data: Path, weights: Path | None, quality: float, threads: int, json_path: Path | None
) -> None:
    """Measure the drop of each sequence."""
    codec = flowcodec.load("video-mofnet", weights=weights, threads=threads)
    print(f"{cpu_name()}; drop from the first to the last P-frame of {GROUP}, dB")
    found = {}
    for path in find_sequences(data):
        sequence = read_sequence(path, GROUP)
        if len(sequence.frames) < GROUP:
            print(f"{sequence.name}: fewer than {GROUP} frames, passed over")
            continue
        ours = measure(codec, sequence, quality, GROUP)
        points = [measure_peer(CONSTANT, sequence, qp, GROUP) for qp in CONSTANT.sweep]
        other = min(points, key=lambda point: abs(point.psnr - ours.psnr))
        found[sequence.name] = {
            "ours": round(drop(ours), 3),
            "x265": round(drop(other), 3),
            "excess": round(drop(ours) - drop(other), 3),
            "qp": other.quality,
        }
        print(sequence.name, found[sequence.name], flush=True)
    excess = [row["excess"] for row in found.values()]
    print(f"mean excess {sum(excess) / len(excess):.2f} dB, largest {max(excess):.2f} dB")
    if json_path is not None:
        write_json(json_path, {"quality": quality, "group": GROUP, "sequences": found})


def drop(point: Point) -> float:
    """From the first P-frame, the second frame of a group, to the last."""
    return point.frame_psnr[1] - point.frame_psnr[-1]


if __name__ == "__main__":
    main()
