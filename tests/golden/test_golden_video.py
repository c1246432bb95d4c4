"""Old videos stay readable for ever: latents to the last bit, which their hashes say."""

from io import BytesIO

import numpy as np
import pytest

from flowcodec.bitstream.video_file import FRAME_KINDS, read_groups
from flowcodec.media.picture import read_picture
from tests.golden.make_video import FOLDER, MODELS, WIDTH, decoded


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_frame_is_there(name):
    _, groups = read_groups(BytesIO((FOLDER / f"{name}.fcv").read_bytes()))
    kinds = [[FRAME_KINDS[frame.type] for frame in group.frames] for group in groups]
    assert kinds == [["intra", "inter", "repeat", "inter"], ["intra", "inter"]]


@pytest.mark.parametrize("name", MODELS)
def test_frames_are_those_of_the_day_it_was_made(name):
    stored = read_picture(FOLDER / f"{name}.png").pixels
    for number, frame in enumerate(decoded(name)):
        kept = stored[:, number * WIDTH : (number + 1) * WIDTH]
        difference = np.abs(frame.astype(int) - kept)
        assert (difference > 1).mean() < 0.01, f"frame {number}"
    assert (number + 1) * WIDTH == stored.shape[1]
