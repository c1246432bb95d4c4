"""`flowcodec.load`: the codec or the estimator of a model, with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from flowcodec.codecs.settings import at_least_one
from flowcodec.codecs.weights import CONFIGS, bundled_weights, load_weights
from flowcodec.errors import UsageError

if TYPE_CHECKING:
    from flowcodec.codecs.picture import PictureCodec
    from flowcodec.codecs.systems.flow_deeppynet import FlowEstimator
    from flowcodec.codecs.video import VideoCodec


@overload
def load(
    name: Literal["flow-deeppynet"],
    *,
    weights: Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> FlowEstimator: ...


@overload
def load(
    name: Literal["image-cnn"] = "image-cnn",
    *,
    metric: str = "mse",
    weights: Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> PictureCodec: ...


@overload
def load(
    name: Literal["video-mofnet"],
    *,
    metric: str = "mse",
    weights: Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> VideoCodec: ...


@overload
def load(
    name: str,
    *,
    metric: str = "mse",
    weights: Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> PictureCodec | FlowEstimator | VideoCodec: ...


def load(
    name: str = "image-cnn",
    *,
    metric: str = "mse",
    weights: Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> PictureCodec | FlowEstimator | VideoCodec:
    """The codecs "image-cnn" and "video-mofnet", or the estimator "flow-deeppynet".

    weights: a file of one's own, instead of the bundled ones; of codecs there are two, by
    metric, "mse" and "ms-ssim". Of a video codec they are those of its inter frames; the others
    are coded with bundled weights of the same metric. threads: of the CPU, torch's and NumPy's
    choice if None.
    """
    if name not in CONFIGS:
        raise UsageError(f"no model called {name}; there are: {', '.join(CONFIGS)}")
    if threads is not None:
        threads = at_least_one(threads, "threads")
    flow = name == "flow-deeppynet"
    if weights is None:
        found = bundled_weights(name, "epe" if flow else metric)
    else:
        found = load_weights(Path(weights)).of(name)
    if flow:
        from flowcodec.codecs.systems.flow_deeppynet import FlowEstimator

        return FlowEstimator(found, device=device, threads=threads)
    if name == "video-mofnet":
        from flowcodec.codecs.video import open_video_codec

        return open_video_codec(found, device=device, threads=threads)
    from flowcodec.codecs.picture import PictureCodec

    return PictureCodec(found, device=device, threads=threads)
