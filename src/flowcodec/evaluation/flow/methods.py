"""What estimates flow, behind one interface: ours, OpenCV's DIS and Farneback, and no motion."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from flowcodec.errors import UsageError
from flowcodec.evaluation.flow.metrics import Vectors
from flowcodec.evaluation.metrics import Pixels


@dataclass(frozen=True)
class FlowMethod:
    """A way to estimate flow.

    `flow` takes two RGB frames, uint8 (H, W, 3) of one size, and returns float32 (H, W, 2): where
    pixels of the first are in the second, x to the right and y down, in pixels. `description`
    says how it was run. kmacs: thousands of multiply-adds a pixel, where they are known.
    """

    name: str
    title: str
    description: str
    flow: Callable[[Pixels, Pixels], Vectors]
    kmacs: float | None = None


class Estimator(Protocol):
    """What `flowcodec.load` returns of an estimator, as far as measuring needs it."""

    def flow(self, a: Pixels, b: Pixels, /) -> Vectors: ...


def our_method(
    name: str, description: str, estimator: Estimator, kmacs: float | None = None
) -> FlowMethod:
    """Our own estimator as a method named and titled `name`."""
    return FlowMethod(name, name, description, estimator.flow, kmacs)


def _still(a: Pixels, b: Pixels) -> Vectors:
    return np.zeros((*a.shape[:2], 2), np.float32)


ZERO = FlowMethod("zero", "no motion", "flow of 0 everywhere", _still)
"""Errors of this are the lengths of the true flow: how much motion there is."""


def _opencv() -> Any:
    """The module; its own type hints know neither DIS nor flow without an initial one."""
    return import_module("cv2")


def _dis(preset: str) -> Callable[[], Callable[[Pixels, Pixels], Vectors]]:
    def build() -> Callable[[Pixels, Pixels], Vectors]:
        cv2 = _opencv()
        dis = cv2.DISOpticalFlow_create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset}"))

        def flow(a: Pixels, b: Pixels) -> Vectors:
            return np.asarray(dis.calc(_gray(a), _gray(b), None), np.float32)

        return flow

    return build


def _farneback() -> Callable[[Pixels, Pixels], Vectors]:
    cv2 = _opencv()
    settings = {
        "pyr_scale": 0.5,
        "levels": 5,
        "winsize": 15,
        "iterations": 3,
        "poly_n": 7,
        "poly_sigma": 1.5,
        "flags": 0,
    }

    def flow(a: Pixels, b: Pixels) -> Vectors:
        found = cv2.calcOpticalFlowFarneback(_gray(a), _gray(b), None, **settings)
        return np.asarray(found, np.float32)

    return flow


def _gray(pixels: Pixels) -> Pixels:
    cv2 = _opencv()
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


_BUILDERS = {
    "dis-ultrafast": ("DIS ultrafast", "preset ultrafast", _dis("ULTRAFAST")),
    "dis-medium": ("DIS medium", "preset medium", _dis("MEDIUM")),
    "farneback": (
        "Farneback",
        "scale 0.5, 5 levels, window 15, 3 iterations, polynomials of 7 and sigma 1.5",
        _farneback,
    ),
}

FLOW_PEERS = tuple(_BUILDERS)
"""Names for `flow_peer`."""


def has_opencv() -> bool:
    """Whether OpenCV, which the peers are from, is installed."""
    return find_spec("cv2") is not None


def flow_peer(name: str, threads: int | None = None) -> FlowMethod:
    """The method of OpenCV of that name, on gray made of the colours, without an initial flow.

    `threads` sets OpenCV's threads for the whole process; None leaves them as they are. The flow
    does not depend on them. Raises UsageError when the name is unknown or OpenCV is absent.
    """
    if name not in _BUILDERS:
        raise UsageError(
            f"no flow method {name!r} to compare with: choose from {', '.join(FLOW_PEERS)}"
        )
    title, settings, build = _BUILDERS[name]
    if not has_opencv():
        raise UsageError(f"{title} needs opencv-python-headless: pip install 'flowcodec[bench]'")
    cv2 = _opencv()
    if threads is not None:
        cv2.setNumThreads(threads)
    count = f"{cv2.getNumThreads()} threads"
    return FlowMethod(name, title, f"OpenCV {cv2.__version__}, {settings}, {count}", build())
