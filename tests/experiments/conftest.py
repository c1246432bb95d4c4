"""Media that several tests of experiments need."""

from fractions import Fraction

import pytest

from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.evaluation.moving import moving_texture


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, motion in (("a", (1.0, 0.5)), ("b", (-2.0, 1.0))):
        with create_video(folder / f"{name}.mkv", usual_format(128, 128, Fraction(25))) as video:
            for frame in moving_texture(128, 128, motion, 4):
                video.write(frame)
    return folder
