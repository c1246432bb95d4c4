"""A PSNR for people, and for machines."""

import math


def decibels(psnr: float | None) -> str:
    """A PSNR in words: "32.18 dB", or "exact" where it is infinite (None, as `number` has it)."""
    return "exact" if psnr is None or not math.isfinite(psnr) else f"{psnr:.2f} dB"


def number(psnr: float) -> float | None:
    """A PSNR in dB for JSON, which knows no infinite numbers: there it is None."""
    return round(psnr, 4) if math.isfinite(psnr) else None
