"""What `pip install .` alone can do: `python -m tests.lean FOLDER`, by the Python of an environment
in FOLDER that has nothing else. Without torch, and not too large."""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

LARGEST = 400  # megabytes
FRAMES, HEIGHT, WIDTH = 5, 96, 128


def draw(number: int) -> Image.Image:
    """A frame of a texture that moves."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    x -= 1.5 * number
    waves = [np.sin(x / 7 + c) + np.sin(y / 5 - c) + np.sin((x + y) / 11) for c in range(3)]
    return Image.fromarray(np.uint8(128 + 40 * np.stack(waves, 2)))


def main(environment: Path) -> None:
    """Raise where something does not work or is too large."""
    assert find_spec("torch") is None, "torch is here: what is this test to show?"
    size = sum(path.lstat().st_size for path in environment.rglob("*")) / 2**20
    print(f"{size:.0f} MB without torch")
    assert size <= LARGEST
    command = environment / "bin" / "flowcodec"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "frames").mkdir()
        for number in range(FRAMES):
            draw(number).save(folder / "frames" / f"{number}.png")
        for words in (
            "encode frames/0.png -o a.fci",
            "decode a.fci -o a.png --verify frames/0.png",
            "info a.fci",
            "encode frames -o a.fcv --gop 3 -j 2",
            "decode a.fcv -o a.mp4 --verify frames",
            "encode a.mp4 -o b.fcv --metric ms-ssim",
            "flow frames/0.png frames/1.png -o a.flo",
            "models",
        ):
            print(f"flowcodec {words}", flush=True)
            subprocess.run([command.resolve(), *words.split()], cwd=folder, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
