"""A training in one tar file, for a machine that has torch but not this project.

train.sh             the one command, `sh train.sh`
NAME.toml            the recipe
src/flowcodec/       this package, of its weights only those that the training needs
pictures/            pictures, or clips where the recipe wants them, as many as fit
"""

from __future__ import annotations

import io
import random
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import flowcodec
from flowcodec.errors import UsageError
from flowcodec.media.files import atomic_write
from flowcodec.training.recipe import load_recipe

FOLDER = "flowcodec-training"
PACKAGE = Path(flowcodec.__file__).parent
LEFT_OUT = ("weights", "__pycache__")
END_BYTES = 2 * tarfile.BLOCKSIZE + tarfile.RECORDSIZE  # a tar's end mark and padding, at most

SCRIPT = """\
#!/bin/sh
# Trains {name} on the pictures beside this file. Started again, it goes on where it stopped.
# Needs Python 3.11 or newer with: {packages}.
# Options are handed on, such as --minutes 25 or --device cuda.
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$here/src" exec python3 -m flowcodec train "$here/{name}.toml" \\
    --data "$here/pictures" --out "$here/run" "$@"
"""
PACKAGES = (
    "torch onnx onnx-ir numpy pillow av msgspec safetensors constriction click rich pytorch-msssim"
)


@dataclass(frozen=True)
class Bundle:
    """What was packed: pictures in it and pictures there are, bytes of the tar file."""

    packed: int
    pictures: int
    size: int


def pack_bundle(recipe: Path, data: Path, target: Path, limit: int) -> Bundle:
    """Write the tar file of a recipe and a folder of pictures, at most `limit` bytes.

    Where not all pictures fit, those that do are drawn at random, always the same. UsageError
    where none fits or there is none, and for a recipe that begins with weights of a file.
    """
    loaded = load_recipe(recipe)
    weights = [*([loaded.init] if loaded.init else []), *loaded.needs]
    pictures = loaded.files(data)
    if not pictures:
        raise UsageError(f"nothing in {data} that the recipe trains on")
    script = SCRIPT.format(name=recipe.stem, packages=PACKAGES).encode()
    code = [
        (_member("train.sh", len(script)), script),
        (_member(f"{recipe.stem}.toml", recipe.stat().st_size), recipe.read_bytes()),
    ]
    for path in _package_files() + [_weights(name) for name in weights]:
        name = PurePosixPath("src/flowcodec", path.relative_to(PACKAGE))
        code.append((_member(name, path.stat().st_size), path.read_bytes()))
    drawn = [
        (_member(PurePosixPath("pictures", path.relative_to(data)), path.stat().st_size), path)
        for path in pictures
    ]
    left = limit - END_BYTES - sum(_tar_bytes(member) for member, _ in code)
    packed = _fitting(drawn, left)
    if not packed:
        raise UsageError(f"no picture of {data} fits into a bundle of {limit:,} bytes")
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        for member, content in code:
            tar.addfile(member, io.BytesIO(content))
        for member, path in packed:
            with path.open("rb") as picture:
                tar.addfile(member, picture)
    return Bundle(len(packed), len(pictures), target.stat().st_size)


def _package_files() -> list[Path]:
    return sorted(
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and not set(path.relative_to(PACKAGE).parts) & set(LEFT_OUT)
    )


def _weights(name: str) -> Path:
    path = PACKAGE / "weights" / f"{name}.safetensors"
    if not path.is_file():
        raise UsageError(f"init = {name!r}: a bundle takes along weights of the package alone")
    return path


def _fitting(
    pictures: list[tuple[tarfile.TarInfo, Path]], left: int
) -> list[tuple[tarfile.TarInfo, Path]]:
    """As many pictures as `left` bytes of a tar file hold, in order."""
    drawn = list(range(len(pictures)))
    random.Random(0).shuffle(drawn)  # names often go by source: take some of each
    fitting = []
    for index in drawn:
        size = _tar_bytes(pictures[index][0])
        if size <= left:
            fitting.append(index)
            left -= size
    return [pictures[index] for index in sorted(fitting)]


def _member(name: PurePosixPath | str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(str(PurePosixPath(FOLDER, name)))
    member.size = size
    member.mode = 0o755 if member.name.endswith(".sh") else 0o644
    return member


def _tar_bytes(member: tarfile.TarInfo) -> int:
    """What a member takes: its headers, and its content in whole blocks."""
    return len(member.tobuf()) + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
