"""Small clips made by ffmpeg: 96x64, 25 frames a second, 10 frames unless said."""

import subprocess
from pathlib import Path

import pytest

WIDTH, HEIGHT, COUNT = 96, 64, 10
PICTURE = f"testsrc2=s={WIDTH}x{HEIGHT}:r=25:d={COUNT / 25}"
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
SOUND = ("-f", "lavfi", "-i", f"sine=d={COUNT / 25}:r=48000")


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; the test is skipped where there is none."""
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    words = map(str, arguments)
    done = subprocess.run([program, "-v", "error", "-y", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def clip(path: Path, *arguments: object, picture: str = PICTURE) -> Path:
    """A clip of a moving test picture; arguments stand before its name."""
    ffmpeg("-f", "lavfi", "-i", picture, *arguments, path)
    return path
