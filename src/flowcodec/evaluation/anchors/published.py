"""Published rate-distortion curves on the 24 Kodak pictures, carried as JSON with their sources."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

_KODAK = {f"kodim{number:02}" for number in range(1, 25)}


@dataclass(frozen=True)
class PublishedCurve:
    """One curve: means over the 24 pictures, one entry a rate, from low to high.

    `results` has the keys of an evaluation ("bpp", "psnr-rgb", and, where published as a linear
    mean, "ms-ssim-rgb" and "ms-ssim-db-rgb"). `optimised_for` is "mse", "ms-ssim", or None for a
    classical codec; `reconstruction` ("8-bit" or "float") is what was measured; `source` names
    the public repository, the path in it and the snapshot.
    """

    name: str
    optimised_for: str | None
    reconstruction: str
    source: dict[str, str]
    results: dict[str, list[float]]


def published_curves() -> dict[str, PublishedCurve]:
    """The published Kodak curves by name ("BPG 4:4:4", "VTM 9.1", ...)."""
    text = resources.files(__package__).joinpath("kodak_published.json").read_text("utf-8")
    return {entry["name"]: PublishedCurve(**entry) for entry in json.loads(text)["curves"]}


def is_kodak(pictures: Iterable[Path]) -> bool:
    """Whether these are the 24 Kodak pictures by name, so that published curves compare."""
    return sorted(path.stem for path in pictures) == sorted(_KODAK)
