"""`flowcodec encode` on TIFF files: by name and by pipe the same, or one line and status 2."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from flowcodec.media.picture import read_picture
from tests.media.handmade import tiff

COLUMN, ROW = np.meshgrid(np.arange(100), np.arange(60))
GRAY = ((2 * COLUMN + ROW) % 251).astype(np.uint8)[..., np.newaxis]


def test_a_turned_picture_is_the_same_by_name_and_by_pipe(flowcodec_command, tmp_path: Path):
    source, named, piped = tmp_path / "turned.tif", tmp_path / "named.fci", tmp_path / "piped.fci"
    source.write_bytes(tiff(GRAY, 1, 8, tags=[(274, 3, [6])]))
    run = [*flowcodec_command, "encode", "--quiet"]
    subprocess.run([*run, str(source), "-o", str(named)], check=True)
    with source.open("rb") as stream:
        subprocess.run([*run, "-", "-o", str(piped)], stdin=stream, check=True)
    assert named.read_bytes() == piped.read_bytes()
    back = tmp_path / "back.png"
    subprocess.run([*flowcodec_command, "decode", str(named), "-o", str(back)], check=True)
    assert np.array_equal(read_picture(back).pixels, np.rot90(GRAY, -1))  # coded without loss


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tiff(GRAY, 1, 8, compression=34712), "this TIFF is coded as JPEG 2000, which is not read"),
        (tiff(GRAY, 1, 8, compression=5), "it is damaged"),
    ],
)
def test_what_cannot_be_read_takes_one_line(flowcodec_command, tmp_path: Path, data, said):
    source = tmp_path / "odd.tif"
    source.write_bytes(data)
    words = [*flowcodec_command, "encode", str(source), "-o", str(tmp_path / "odd.fci")]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"flowcodec: error: cannot read {source}: {said}")
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "odd.fci").exists()
