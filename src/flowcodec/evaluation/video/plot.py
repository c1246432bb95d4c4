"""Curves of video codecs, a panel a sequence, and quality frame by frame."""

from pathlib import Path

from flowcodec.evaluation.plot import check_plot_path, saved, style
from flowcodec.evaluation.video.comparison import VideoComparison, quality_of
from flowcodec.media.names import printable

__all__ = ["check_plot_path", "plot_curves"]

LABELS = {"psnr": "PSNR (RGB), dB", "ms-ssim": "MS-SSIM, dB"}


def plot_curves(comparison: VideoComparison, path: Path) -> None:
    """Draw a row of panels a measure, a panel a sequence; and below, PSNR by frame of ours.

    UsageError for an unknown suffix or when matplotlib is absent.
    """
    check_plot_path(path)
    with style("path"):
        from matplotlib.figure import Figure

        names = list(comparison.ours)
        size = (2.9 * len(names) + 1.2, 8.5)
        figure = Figure(figsize=size, layout="constrained", dpi=110)
        rows = figure.subplots(3, len(names), squeeze=False)
        everyone = {comparison.name: comparison.ours, **comparison.peers}
        for row, (measure, label) in zip(rows, LABELS.items(), strict=False):
            for axes, name in zip(row, names, strict=True):
                for number, (codec, curves) in enumerate(everyone.items()):
                    pairs = [(point.bpp, quality_of(point, measure)) for point in curves[name]]
                    known = [(rate, value) for rate, value in pairs if value is not None]
                    mine = codec == comparison.name
                    axes.plot(
                        [rate for rate, _ in known],
                        [value for _, value in known],
                        "o-",
                        label=codec,
                        color="black" if mine else f"C{number - 1}",
                        lw=2 if mine else 1.1,
                        ms=3,
                        zorder=3 if mine else 2,
                    )
                axes.set_xscale("log")
                axes.grid(alpha=0.15, linewidth=0.6, which="both")
                axes.set_title(printable(name), fontsize=8, parse_math=False)
                axes.set_xlabel("bits a pixel, whole file", fontsize=8)
            row[0].set_ylabel(label)
        for axes, name in zip(rows[2], names, strict=True):
            for point in comparison.ours[name]:
                axes.plot(point.frame_psnr, lw=1, label=f"q {point.quality:g}")
            axes.set_xlabel(f"frame (GOP {comparison.gop})", fontsize=8)
            axes.grid(alpha=0.15, linewidth=0.6)
        rows[2][0].set_ylabel("PSNR of each frame, dB")
        handles, labels = rows[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        saved(figure, path)
