"""Rate-distortion plots: PSNR and MS-SSIM over bits a pixel."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from flowcodec.errors import UsageError
from flowcodec.evaluation.bd_rate import MEASURES, Results, known_points
from flowcodec.media.files import atomic_write

_AXES = {"psnr": "PSNR (RGB), dB", "ms-ssim": "MS-SSIM, dB"}

_UNDATED: dict[str, dict[str, None]] = {"png": {}, "svg": {"Date": None}}


def check_plot_path(path: Path) -> None:
    """Raise UsageError unless the suffix names a picture format that a plot can be saved as."""
    if path.suffix.lower() not in {f".{format}" for format in _UNDATED}:
        raise UsageError(f"cannot plot to {path}: name it .png or .svg")


def check_matplotlib() -> None:
    """Raise UsageError when matplotlib is absent."""
    if find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib: pip install 'flowcodec[bench]'")


def plot_curves(curves: Mapping[str, Results], path: Path, title: str, first: str) -> None:
    """Draw curves (name -> lists of `evaluation.results`) side by side, one panel a measure.

    The curve named `first` is drawn on top and heavier. The shaded range is that of the BD-rate,
    and the axes show little beyond it. Equal curves give equal files.

    Raises UsageError for an unknown suffix or when matplotlib is absent.
    """
    check_plot_path(path)
    check_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "flowcodec", "axes.spines.top": False}):
        figure = Figure(figsize=(12, 5), layout="constrained", dpi=150)
        figure.suptitle(title)
        for axes, (name, measure) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
            for curve, results in curves.items():
                rate, quality = known_points(results, measure.key)
                heavy = curve == first
                axes.plot(
                    rate,
                    quality,
                    label=curve,
                    marker="o",
                    markersize=5 if heavy else 3,
                    linewidth=2.4 if heavy else 1.2,
                    zorder=3 if heavy else 2,
                )
            axes.axhspan(measure.low, measure.high, color="0.96", zorder=0)
            axes.set_xlabel("bits a pixel, whole file")
            axes.set_ylabel(_AXES[name])
            axes.set_ylim(measure.low - 4, measure.high + 3)
            axes.set_xlim(0, _widest_useful_rate(curves, measure.key, measure.high))
            axes.grid(color="0.88", linewidth=0.6)
            axes.spines["right"].set_visible(False)
            axes.legend(loc="lower right", frameon=False)
        format = path.suffix[1:].lower()
        with atomic_write(path) as file:
            figure.savefig(file, format=format, metadata=_UNDATED[format])


def _widest_useful_rate(curves: Mapping[str, Results], key: str, high: float) -> float:
    """Where the weakest curve has passed the BD range, with some room; never beyond 3 bpp."""
    needed = 0.0
    for results in curves.values():
        rate, quality = known_points(results, key)
        above = [r for r, q in zip(rate, quality, strict=True) if q >= high]
        needed = max(needed, min(above, default=max(rate, default=0.0)))
    return min(1.1 * needed, 3.0) or 1.0
