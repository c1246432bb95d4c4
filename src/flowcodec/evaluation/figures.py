"""What a picture costs and how it looks, drawn: the thesis's figures 7.2 and 7.3 for any picture.

Figure 7.1 is `evaluation.demo.comparison_sheet`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowcodec.codecs.accounting import Account, Plane
from flowcodec.evaluation.demo import coded_name
from flowcodec.evaluation.metrics import Pixels, psnr
from flowcodec.evaluation.plot import check_matplotlib
from flowcodec.evaluation.results import finite
from flowcodec.evaluation.sheet import CROP, Cell, Row, differing_window, draw_sheet
from flowcodec.evaluation.shots import Shot
from flowcodec.media.files import atomic_write
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3  # pictures side by side

Difference = NDArray[np.int32]

_PURPOSES = {
    "y": "latents (y)",
    "z": "hyper latents (z)",
    "other": "tiles without networks",
    "overhead": "file overhead",
}
_WIDTH, _FURNITURE, _BAR = 10.0, 1.4, 0.14  # inches: whole figure, titles and text, colour bar


def draw_latents(path: Path, title: str, original: Pixels, account: Account) -> None:
    """Draw a picture, uint8 (H, W, 3), the energy of its latents and where its bits went, as PNG.

    No energy is drawn in the colour of 1. Equal input gives equal files. Raises UsageError when
    matplotlib is absent.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    height, width = original.shape[:2]
    panel = 0.97 * _WIDTH / 3 * min(max(height / width, 0.2), 3)
    figure = Figure(figsize=(_WIDTH, panel + _FURNITURE), layout="constrained", dpi=180)
    figure.suptitle(printable(title), parse_math=False)
    pictures, below = figure.subplots(2, 3, height_ratios=(panel, _BAR))
    pictures[0].imshow(original)
    pictures[0].set_title("original")
    below[0].axis("off")
    below[0].text(0, 1, _shares_in_words(account), va="top", linespacing=1.4)

    square = f"{account.stride} x {account.stride} pixels"
    maps = (
        ("energy of the latents", "sum of squares over channels", account.energy, True),
        ("bits spent", f"bits per square of {square}", account.bits, False),
    )
    for axes, bar, (name, unit, values, logarithmic) in zip(
        pictures[1:], below[1:], maps, strict=True
    ):
        _draw_map(figure, axes, values, logarithmic, bar, unit, account.stride)
        axes.set_title(name)
    for axes in pictures:
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def _draw_map(
    figure: "Figure",
    axes: "Axes",
    values: Plane,
    logarithmic: bool,
    bar: "Axes",
    unit: str,
    stride: int,
) -> None:
    """A map over latent positions in pixel coordinates, and its colour bar."""
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import LogLocator

    norm, ticks = Normalize(0, values.max()), None
    if logarithmic:
        low = max(1, values.min())
        high = max(3 * low, values.max())
        norm = LogNorm(low, high, clip=True)
        ticks = LogLocator(subs=(1, 2, 5) if high <= 1000 * low else (1,))
    rows, columns = values.shape
    extent = (0, columns * stride, rows * stride, 0)
    image = axes.imshow(values, "inferno", norm=norm, extent=extent)
    figure.colorbar(image, bar, orientation="horizontal", label=unit, ticks=ticks, format="{x:,g}")
    bar.minorticks_off()


def refinement_sheet(name: str, original: Pixels, before: Pixels, after: Pixels) -> Image.Image:
    """Crops of a decoded picture before and after its refinement, and what that changed.

    All are uint8 (H, W, 3); the crop is the window that changed most. Differences are drawn around
    gray, amplified.
    """
    height, width = original.shape[:2]
    first, second = psnr(original, before), psnr(original, after)
    change, change_times = amplified(after.astype(np.int32) - before)
    error, error_times = amplified(original.astype(np.int32) - after)
    cells = (
        Cell(f"change x {change_times}", change, ("after - before",)),
        Cell("before DIRB", before, (f"{first:.2f} dB PSNR",)),
        Cell("after DIRB", after, (f"{second:.2f} dB PSNR", f"{second - first:+.2f} dB")),
        Cell(f"error left x {error_times}", error, ("original - after",)),
    )
    corner = differing_window(before, [after], CROP)
    return draw_sheet(
        "Before and after refinement",
        "The decoded image refinement block (DIRB) is the decoder's last step. Crops of "
        f"{CROP} x {CROP} pixels where it changes most; PSNR is that of the whole picture.",
        [Row(original, (name, f"{width} x {height} pixels"), corner, cells)],
        ours="after DIRB",
        across=ACROSS,
    )


def amplified(difference: Difference) -> tuple[Pixels, int]:
    """A difference of pictures around gray, and the power of two by which it was multiplied.

    That is the largest for which at most one sample in a thousand leaves the scale, but 1 at least.
    """
    large = max(1.0, float(np.quantile(np.abs(difference), 0.999)))
    times = 2 ** max(0, math.floor(math.log2(127 / large)))
    return np.clip(128 + times * difference, 0, 255).astype(np.uint8), times


def in_numbers(
    photo: Path, account: Account, shots: Sequence[Shot], before: float | None, after: float
) -> dict[str, Any]:
    """The figures as JSON: where our file's bits went, every codec, and what refinement gains.

    `shots` are ours, then the others'; `before` and `after` are PSNR in dB without and with
    refinement, `before` None for weights that have none. PSNR of equal pictures becomes null.
    """
    return {
        "bits": {name: round(bits, 3) for name, bits in account.shares.items()},
        "parts": dict(account.parts),
        "codecs": [
            {
                "codec": shot.codec,
                "file": coded_name(photo, shot),
                "bytes": len(shot.data),
                "bpp": round(shot.bpp, 6),
                "psnr": finite(shot.psnr, 4),
                "fits": shot.fits,
            }
            for shot in shots
        ],
        "refinement": None
        if before is None
        else {"psnr_before": finite(before, 4), "psnr_after": finite(after, 4)},
    }


def _shares_in_words(account: Account) -> str:
    return "\n".join(
        f"{_PURPOSES[name]}: {bits / 8:,.0f} bytes, {bits / account.file_bits:.2%}"
        for name, bits in account.shares.items()
        if bits
    )
