"""How a P-frame is made, drawn: figure 3 of paper P for any two pictures, and its numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.accounting import Accountable, InterAccount, Plane
from flowcodec.codecs.plan import finer
from flowcodec.codecs.settings import thousandths
from flowcodec.codecs.video import VideoCodec
from flowcodec.errors import UsageError
from flowcodec.evaluation.metrics import Pixels, psnr
from flowcodec.evaluation.plot import check_matplotlib
from flowcodec.evaluation.results import finite
from flowcodec.media.files import atomic_write
from flowcodec.media.flow_view import colors, largest_length, with_key
from flowcodec.media.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _TITLE = 12.0, 0.55  # inches: of the whole, and of the titles of a row
_SLENDER, _FLAT = 0.3, 3.0  # sides of panels, height by width


def code_pair(
    codec: VideoCodec, first: Pixels, second: Pixels, quality: float
) -> tuple[InterAccount, Pixels, int]:
    """Code the second of two pictures, uint8 (H, W, 3), as the frame after the first.

    That begins a group of this quality. The parts of the frame, the frame as a decoder
    shows it, and the bytes of its code. UsageError where sizes differ, or where the model does not
    tell of parts.
    """
    model = codec.inter
    if not isinstance(model, Accountable):
        raise UsageError(f"{model.weights.model} does not tell the parts of a frame")
    if first.shape != second.shape:
        sizes = [f"{x.shape[1]}x{x.shape[0]}" for x in (first, second)]
        raise UsageError(f"two frames of one video have one size, not {' and '.join(sizes)}")
    at = thousandths(quality)
    _, state = codec.alone(first, 0, finer(at, codec.inter.weights.metric))
    frame, after = codec.inter.encode(second, state, at)
    account = model.account(frame, state, at)
    return account, codec.inter.shown(after), len(frame.data)


def draw_inter(
    path: Path, title: str, pair: tuple[Pixels, Pixels], decoded: Pixels, account: InterAccount
) -> None:
    """Draw both frames, how the second was made, and where its bits went, as one PNG.

    Equal input gives equal files. UsageError when matplotlib is absent.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    height, width = decoded.shape[:2]
    panel = _WIDTH / 3 * min(max(height / width, _SLENDER), _FLAT) + _TITLE
    figure = Figure(figsize=(_WIDTH, 3 * panel + _TITLE), layout="constrained", dpi=150)
    figure.suptitle(printable(title), parse_math=False)
    rows = figure.subplots(3, 3)
    largest = largest_length(account.flow)
    flow = with_key(colors(account.flow, largest=largest), largest)
    pictures: tuple[tuple[str, NDArray[Any]], ...] = (
        ("(a) frame before", pair[0]),
        ("(a) frame", pair[1]),
        ("(b) alpha: white is coded, black skipped", account.alpha),
        ("(c) optical flow to the frame before", flow),
        ("(d) skipped: (1 - alpha) times the prediction", _shown(account.skipped)),
        ("(e) coded", _shown(account.coded)),
        ("(f) decoded frame", decoded),
    )
    for axes, (name, picture) in zip(rows.flat, pictures, strict=False):
        axes.imshow(picture, "gray", vmin=0, vmax=1)
        axes.set_title(name)
    for axes, name, bits in (
        (rows.flat[7], "(g) bits of what is coded", account.codec_bits),
        (rows.flat[8], "(h) bits of motion", account.motion_bits),
    ):
        _draw_bits(axes, bits, account.stride)
        axes.set_title(f"{name}: {bits.sum() / 8:,.0f} bytes")
    for axes in rows.flat:
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def _draw_bits(axes: "Axes", bits: Plane, stride: int) -> None:
    """Bits of latent positions in pixel coordinates, and their colour bar."""
    rows, columns = bits.shape
    extent = (0, columns * stride, rows * stride, 0)
    image = axes.imshow(bits, "inferno", vmin=0, vmax=max(1.0, bits.max()), extent=extent)
    figure = axes.figure
    label = f"bits per square of {stride} x {stride} pixels"
    figure.colorbar(image, ax=axes, orientation="horizontal", label=label, shrink=0.8)


def _shown(part: NDArray[np.float32]) -> Pixels:
    """A part of a frame around mid-gray as a picture."""
    return np.clip(np.rint((part + 0.5) * 255), 0, 255).astype(np.uint8)


def in_numbers(account: InterAccount, decoded: Pixels, second: Pixels, size: int) -> dict[str, Any]:
    """The drawing as JSON: bytes of the code, bits of either network, alpha, flow in pixels."""
    lengths = np.hypot(*np.moveaxis(account.flow, 2, 0))
    return {
        "bytes": size,
        "bits": {
            "motion": round(float(account.motion_bits.sum()), 3),
            "codec": round(float(account.codec_bits.sum()), 3),
        },
        "psnr": finite(psnr(second, decoded), 4),
        "mean_alpha": round(float(account.alpha.mean()), 4),
        "mean_flow_length": round(float(lengths.mean()), 4),
    }
