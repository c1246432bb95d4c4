"""`flowcodec.load`: what a system's weights make, a codec or an estimator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcodec.codecs.settings import at_least_one
from flowcodec.codecs.systems import SYSTEMS, Kind, names_of, system_called
from flowcodec.codecs.weights import Weights, bundled_weights, load_weights
from flowcodec.errors import WeightsError

if TYPE_CHECKING:
    from flowcodec.codecs.flow import FlowEstimator
    from flowcodec.codecs.picture import PictureCodec
    from flowcodec.codecs.video import VideoCodec

DOES: dict[Kind, str] = {"picture": "codes pictures", "inter": "codes videos", "flow": "finds flow"}


def load(
    name: str | None = None,
    *,
    metric: str | None = None,
    weights: Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Any:
    """A `PictureCodec`, a `VideoCodec` or a `FlowEstimator`, by the kind of the system.

    name: of the system (`flowcodec models` lists them); None: that of the weights, or the first
    that codes pictures. weights: a file of one's own, instead of the bundled ones, of which there
    is a set for each metric, "mse" if None. Of a video codec they are those of its inter frames;
    the others are coded with bundled weights of the same metric. device: what ONNX Runtime offers,
    "cpu", "cuda", ...; threads: of the CPU, the libraries' choice if None.
    """
    return _open(None, name, metric, weights, device, threads)


def picture_codec(name: str | None = None, **options: Any) -> PictureCodec:
    """As `load`, for a system that codes pictures; UsageError or WeightsError for another."""
    return _open("picture", name, **options)


def video_codec(name: str | None = None, **options: Any) -> VideoCodec:
    """As `load`, for a system that codes inter frames; UsageError or WeightsError for another."""
    return _open("inter", name, **options)


def flow_estimator(name: str | None = None, **options: Any) -> FlowEstimator:
    """As `load`, for a system that finds flow; UsageError or WeightsError for another."""
    return _open("flow", name, **options)


def _open(
    kind: Kind | None,
    name: str | None,
    metric: str | None = None,
    weights: Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Any:
    found = _weights(kind, name, metric, weights)
    if threads is not None:
        threads = at_least_one(threads, "threads")
    kind = SYSTEMS[found.model].kind
    if kind == "flow":
        from flowcodec.codecs.flow import FlowEstimator

        return FlowEstimator(found, device=device, threads=threads)
    if kind == "inter":
        from flowcodec.codecs.video import open_video_codec

        return open_video_codec(found, device=device, threads=threads)
    from flowcodec.codecs.picture import PictureCodec

    return PictureCodec(found, device=device, threads=threads)


def _weights(
    kind: Kind | None, name: str | None, metric: str | None, weights: Path | str | None
) -> Weights[Any]:
    kinds = () if kind is None else (kind,)
    if name is not None:
        system_called(name, *kinds)
    if weights is None:
        system = SYSTEMS[name or names_of(kind or "picture")[0]]
        return bundled_weights(system.name, system.metrics[0] if metric is None else metric)
    found = load_weights(Path(weights))
    if name is not None:
        return found.of(name)
    does = SYSTEMS[found.model].kind
    if kind not in (None, does):
        raise WeightsError(f"{weights}: these are weights of {found.model}, which {DOES[does]}")
    return found
