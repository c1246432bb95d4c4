"""Pictures and the command with small weights, for tests of `encode` and `decode`."""

import pytest

from flowcodec.cli.main import main
from flowcodec.media.picture import Picture, write_picture
from tests.training.pictures import draw


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    write_picture(Picture(draw(11, 70, 90), icc=b"a profile"), path)
    return path


@pytest.fixture
def run(tiny_weights, capsys):
    """Runs the command with the tiny weights in this process: status, stdout, stderr."""

    def call(*words):
        status = main([*map(str, words), "--weights", str(tiny_weights), "--threads", "1"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call
