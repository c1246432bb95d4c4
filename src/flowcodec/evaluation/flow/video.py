"""How well flow predicts video: each frame from the next one, where no true flow is known."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import UsageError
from flowcodec.evaluation.flow.methods import FlowMethod
from flowcodec.evaluation.flow.metrics import Vectors
from flowcodec.evaluation.flow.run import Cost, Progress, Runner, mean_cost
from flowcodec.evaluation.metrics import Pixels
from flowcodec.media.folders import picture_files
from flowcodec.media.formats import VIDEO_SUFFIXES
from flowcodec.media.video import open_video

LEAST_ERROR = 1 / 12
"""Mean square error of rounding to 8 bits. Warping is not measured below it, so that a pair of
equal frames counts, and has a finite PSNR of 58.9 dB."""


@dataclass(frozen=True)
class Prediction:
    """One method on one pair of frames: PSNR in dB of the warped second one, and the cost."""

    psnr: float
    cost: Cost


@dataclass(frozen=True)
class SequenceResult:
    """One method over a sequence: a prediction for each pair of consecutive frames, in order."""

    method: FlowMethod
    pairs: list[Prediction]

    @property
    def psnr(self) -> float:
        """The mean of the pairs' decibels."""
        return math.fsum(pair.psnr for pair in self.pairs) / len(self.pairs)

    @property
    def cost(self) -> Cost:
        """The mean cost of a pair."""
        return mean_cost([pair.cost for pair in self.pairs])

    def as_json(self) -> dict[str, Any]:
        """Means, and PSNR and seconds of every pair."""
        return {
            "title": self.method.title,
            "description": self.method.description,
            "mean": {"psnr": round(self.psnr, 4), **self.cost.as_json()},
            "per_pair": {
                "psnr": [round(pair.psnr, 4) for pair in self.pairs],
                "seconds": [round(pair.cost.seconds, 5) for pair in self.pairs],
            },
        }


SequenceResults = dict[str, dict[str, SequenceResult]]
"""Results by sequence, then by name of the method."""


def warp_psnr(first: Pixels, second: Pixels, flow: Vectors) -> float:
    """PSNR in dB between the first frame and the second one warped back to it.

    The second frame is sampled bilinearly at x + flow, beyond its border at the border, and is
    not rounded. The error is over all samples of RGB, and not below LEAST_ERROR. Frames are uint8
    (H, W, 3); flow is float32 (H, W, 2), in pixels from the first frame to the second, x to the
    right and y down.

    Raises UsageError for a flow of another shape or that is not finite.
    """
    if flow.shape != (*first.shape[:2], 2) or not np.isfinite(flow).all():
        raise UsageError(
            f"frames of {first.shape} need a finite flow (H, W, 2), got {flow.shape} "
            f"with {np.count_nonzero(~np.isfinite(flow))} values that are not finite"
        )
    error = float(np.mean((_warped(second, flow) - first) ** 2, dtype=np.float64))
    return 10 * math.log10(255**2 / max(error, LEAST_ERROR))


def _warped(frame: Pixels, flow: Vectors) -> NDArray[np.float32]:
    """A frame (H, W, 3) sampled bilinearly at x + flow, beyond its border at the border."""
    height, width = frame.shape[:2]
    y = np.clip(np.arange(height)[:, None] + flow[..., 1], 0, height - 1, dtype=np.float32)
    x = np.clip(np.arange(width) + flow[..., 0], 0, width - 1, dtype=np.float32)
    top, left = y.astype(np.intp), x.astype(np.intp)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = (y - top)[..., None], (x - left)[..., None]
    rows = [frame[row, left] * (1 - across) + frame[row, right] * across for row in (top, bottom)]
    return rows[0] * (1 - down) + rows[1] * down


def find_sequences(data: Path) -> dict[str, Path]:
    """The sequences at `data` by name, sorted, each as `media.video.open_video` takes it.

    A video file is a sequence. Of a folder, its videos and sub-folders of pictures are; without
    any, its own pictures are one. Empty where there is nothing of the kind.
    """
    if not data.is_dir():
        return {data.name: data} if data.suffix.lower() in VIDEO_SUFFIXES else {}
    entries = sorted(data.iterdir())
    found = {
        path.name: path
        for path in entries
        if path.suffix.lower() in VIDEO_SUFFIXES or (path.is_dir() and _holds_frames(path))
    }
    return found or ({data.resolve().name: data} if _holds_frames(data) else {})


def evaluate_sequences(
    methods: Sequence[FlowMethod],
    sequences: Mapping[str, Path],
    progress: Progress | None = None,
) -> SequenceResults:
    """Run every method over all pairs of consecutive frames of sequences from `find_sequences`.

    Raises MediaError for a file that cannot be read, UsageError for a sequence of one frame and
    for a method that returns what is no flow.
    """
    runners = [Runner(method) for method in methods]
    results: SequenceResults = {}
    for name, path in sequences.items():
        row = {method.name: SequenceResult(method, []) for method in methods}
        with open_video(path) as video:
            for first, second in itertools.pairwise(video.whole):
                for runner in runners:
                    flow, cost = runner(first, second)
                    prediction = Prediction(warp_psnr(first, second, flow), cost)
                    row[runner.method.name].pairs.append(prediction)
                if progress is not None:
                    progress()
        if not all(result.pairs for result in row.values()):
            raise UsageError(f"{path} has one frame: there is no motion to estimate")
        results[name] = row
    return results


def pairs_in(sequences: Mapping[str, Path]) -> int:
    """How many pairs of frames the files tell of; some do not, or are off by a few."""
    counts = []
    for path in sequences.values():
        with open_video(path) as video:
            counts.append(max((video.count or 0) - 1, 0))
    return sum(counts)


def _holds_frames(folder: Path) -> bool:
    return bool(picture_files(folder, deep=False))
