"""Rate-distortion plots: PSNR, of RGB and of 4:2:0, MS-SSIM and SSIMULACRA2 over bits a pixel."""

import io
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcodec.errors import UsageError
from flowcodec.evaluation.bd_rate import (
    MS_SSIM_RANGE,
    PSNR_RANGE,
    PSNR_YUV_RANGE,
    Results,
    known_points,
)
from flowcodec.evaluation.results import KEYS
from flowcodec.media.files import atomic_write
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#1a1d21"

_UNDATED: dict[str, dict[str, None]] = {"png": {}, "svg": {"Date": None}}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True)
class _Panel:
    """One quality: its key in the results, the range that matters, and the axis around that."""

    key: str
    label: str
    low: float
    high: float
    bottom: float
    top: float
    shaded: bool


_PANELS = (
    _Panel("psnr-rgb", "PSNR (RGB), dB", *PSNR_RANGE, 26.5, 39.5, shaded=True),
    _Panel("psnr-yuv", "PSNR (4:2:0, 6:1:1), dB", *PSNR_YUV_RANGE, 29, 42, shaded=True),
    _Panel("ms-ssim-db-rgb", "MS-SSIM, dB", *MS_SSIM_RANGE, 8, 22.5, shaded=True),
    _Panel("ssimulacra2", "SSIMULACRA2", 30, 80, 0, 90, shaded=False),
)


def check_plot_path(path: Path) -> None:
    """Raise UsageError unless the suffix names a picture format that a plot can be saved as."""
    if path.suffix.lower() not in {f".{format}" for format in _UNDATED}:
        raise UsageError(f"cannot plot to {path}: name it .png or .svg")


def check_matplotlib() -> None:
    """Raise UsageError when matplotlib is absent."""
    if find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib: pip install 'flowcodec[bench]'")


def plot_curves(
    curves: Mapping[str, Results],
    path: Path,
    title: str,
    first: str,
    dashed: Collection[str] = (),
) -> None:
    """Draw curves (name -> lists of `evaluation.results`) side by side, one panel a measure.

    The curve named `first` is drawn on top and heavier, those of `dashed` with broken lines. The
    shaded range is that of the BD-rate, and the axes show little beyond it. SSIMULACRA2 and PSNR
    of 4:2:0 have a panel where a curve has them. Equal curves give equal files.

    Raises UsageError for an unknown suffix or when matplotlib is absent.
    """
    check_plot_path(path)
    with style("path"):
        figure = _draw(curves, _panels_of(curves), first, dashed, beside=True)
        figure.suptitle(printable(title), parse_math=False)
        saved(figure, path)


def saved(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of its suffix, without a date."""
    format = path.suffix[1:].lower()
    with atomic_write(path) as file:
        figure.savefig(file, format=format, metadata=_UNDATED[format])


def svg_panels(
    curves: Mapping[str, Results], first: str, dashed: Collection[str] = ()
) -> list[str]:
    """The same panels, each as an <svg> element to stand in a page.

    The ink is `currentColor`, the ground transparent, and text is text.
    Raises UsageError when matplotlib is absent.
    """
    elements = []
    for panel in _panels_of(curves):
        with style("none"):
            figure = _draw(curves, [panel], first, dashed, beside=False)
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata=_NO_METADATA, transparent=True)
        text = file.getvalue()
        elements.append(text[text.index("<svg") :].replace(_INK, "currentColor"))
    return elements


def _panels_of(curves: Mapping[str, Results]) -> list[_Panel]:
    """The panels to draw: a curve has points in them, or all evaluations have that measure."""
    return [
        panel
        for panel in _PANELS
        if panel.key in KEYS or any(known_points(curve, panel.key)[0] for curve in curves.values())
    ]


def style(fonttype: str) -> AbstractContextManager[None]:
    """Settings of matplotlib to draw and save under. `fonttype` is how SVG holds text."""
    check_matplotlib()
    import matplotlib as mpl

    settings: dict[Any, Any] = {
        "svg.hashsalt": "flowcodec",
        "svg.fonttype": fonttype,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.color": _INK,
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    return mpl.rc_context(settings)


def _draw(
    curves: Mapping[str, Results],
    panels: Sequence[_Panel],
    first: str,
    dashed: Collection[str],
    *,
    beside: bool,
) -> "Figure":
    """Panels side by side, and one legend for all, beside or below."""
    from matplotlib.figure import Figure

    size = (5 * len(panels) + 2, 5.0) if beside else (5 * len(panels), 4 + 0.12 * len(curves))
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw_panel(axes, panel, curves, first, dashed)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside right upper" if beside else "outside lower center",
        ncols=1 if beside else 2,
        frameon=False,
    )
    return figure


def _draw_panel(
    axes: "Axes",
    panel: _Panel,
    curves: Mapping[str, Results],
    first: str,
    dashed: Collection[str],
) -> None:
    """The curves in one panel. Solid and dashed ones go through ten colours each."""
    drawn = {False: 0, True: 0}
    for curve, results in curves.items():
        rate, quality = known_points(results, panel.key)
        if curve == first:
            axes.plot(rate, quality, "o-", label=curve, color=_INK, lw=2.4, ms=5, zorder=3)
            continue
        broken = curve in dashed
        turn, colour = divmod(drawn[broken], 10)
        drawn[broken] += 1
        line = (("-", "-."), ("--", ":"))[broken][turn % 2]
        axes.plot(rate, quality, f"o{line}", label=curve, color=f"C{colour}", lw=1.2, ms=3)
    if panel.shaded:
        axes.axhspan(panel.low, panel.high, color=_INK, alpha=0.05, lw=0, zorder=0)
    axes.set_xlabel("bits a pixel, whole file")
    axes.set_ylabel(panel.label)
    axes.set_ylim(panel.bottom, panel.top)
    axes.set_xlim(0, _widest_useful_rate(curves, panel.key, panel.high))
    axes.grid(color=_INK, alpha=0.15, linewidth=0.6)


def _widest_useful_rate(curves: Mapping[str, Results], key: str, high: float) -> float:
    """Where the weakest curve has passed the range, with some room; never beyond 3 bpp."""
    needed = 0.0
    for results in curves.values():
        rate, quality = known_points(results, key)
        above = [r for r, q in zip(rate, quality, strict=True) if q >= high]
        needed = max(needed, min(above, default=max(rate, default=0.0)))
    return min(1.1 * needed, 3.0) or 1.0
