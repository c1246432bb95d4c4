"""PSNR and MS-SSIM of 8-bit pictures.

Both take uint8 arrays (H, W, C) in the range 0..255. Over several pictures, PSNR is the mean of
the pictures' decibels; MS-SSIM is the mean of the linear values, and its decibels are those of
that mean (the other order flatters a codec by about 6 % of rate).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import UsageError

MS_SSIM_MIN_SIDE = 161  # five scales of an 11-tap window: (11 - 1) * 2**4 + 1

Pixels = NDArray[np.uint8]


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all samples of uint8 (H, W, C); inf where equal.

    Raises UsageError when shapes differ or the arrays are not uint8.
    """
    _check_pair(a, b)
    difference = a.astype(np.int32)
    difference -= b
    difference *= difference
    error = float(np.mean(difference, dtype=np.float64))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ms_ssim(a: Pixels, b: Pixels) -> float | None:
    """Linear MS-SSIM (0..1, mean over channels) of uint8 (H, W, C), five scales, window of 11.

    Returns None when a side is shorter than MS_SSIM_MIN_SIDE: the fifth scale does not exist.
    Raises UsageError when shapes differ or the arrays are not uint8.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    import torch
    from pytorch_msssim import ms_ssim as torch_ms_ssim

    def planes(pixels: Pixels) -> torch.Tensor:
        return torch.tensor(pixels).permute(2, 0, 1)[None].to(torch.float32)

    with torch.inference_mode(), _one_thread():
        return float(torch_ms_ssim(planes(a), planes(b), data_range=255))


def ms_ssim_db(linear: float) -> float:
    """-10 log10(1 - MS-SSIM): decibels of a linear value below 1; inf at 1."""
    return math.inf if linear >= 1 else -10 * math.log10(1 - linear)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread for a while.

    Eleven-tap filters over single planes gain nothing from more, and lose a factor of twenty
    where other work holds the cores.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _check_pair(a: Pixels, b: Pixels) -> None:
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise UsageError(f"quality is measured on uint8 arrays, got {a.dtype} and {b.dtype}")
    if a.ndim != 3 or a.shape != b.shape:
        raise UsageError(
            f"quality is measured on two (H, W, C) arrays of one shape, got {a.shape} and {b.shape}"
        )
