"""Published rate-distortion curves on the 24 Kodak pictures, carried as JSON with their sources."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from flowcodec.errors import UsageError

PUBLISHED = {
    "jpeg": "JPEG",
    "jpeg2000": "JPEG 2000",
    "webp": "WebP",
    "bpg": "BPG 4:4:4",
    "av1": "AV1",
    "vtm": "VTM 9.1",
    "factorized": "Ballé 2018 factorized",
    "hyperprior": "Ballé 2018 hyperprior",
    "hyperprior-ms-ssim": "Ballé 2018 hyperprior (MS-SSIM)",
    "cheng2020": "Cheng 2020",
    "cheng2020-ms-ssim": "Cheng 2020 (MS-SSIM)",
    "hpcm": "HPCM-Large",
}
"""Words for the command line, and the curves they stand for."""

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

    @property
    def origin(self) -> str:
        """The source in one line."""
        return "{repo}, {path}, {snapshot}".format(**self.source)


def published_curves() -> dict[str, PublishedCurve]:
    """The published Kodak curves by name ("BPG 4:4:4", "VTM 9.1", ...)."""
    text = resources.files(__package__).joinpath("kodak_published.json").read_text("utf-8")
    return {entry["name"]: PublishedCurve(**entry) for entry in json.loads(text)["curves"]}


def curves_named(words: Sequence[str]) -> dict[str, PublishedCurve]:
    """The curves of those words of PUBLISHED, or of the word "all", titled "NAME (published)".

    Raises UsageError for other words.
    """
    for word in words:
        if word not in PUBLISHED and word != "all":
            raise UsageError(
                f"no published curve {word!r}: choose from {', '.join(PUBLISHED)}, or all"
            )
    names = PUBLISHED.values() if "all" in words else [PUBLISHED[word] for word in words]
    curves = published_curves()
    return {f"{name} (published)": curves[name] for name in names}


def is_kodak(pictures: Iterable[Path]) -> bool:
    """Whether these are the 24 Kodak pictures by name, so that published curves compare."""
    return sorted(path.stem for path in pictures) == sorted(_KODAK)
