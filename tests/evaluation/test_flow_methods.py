"""Flow methods of others on a texture whose motion is known, and when OpenCV is missing."""

import sys

import numpy as np
import pytest

from flowcodec.errors import UsageError
from flowcodec.evaluation.flow.methods import FLOW_PEERS, ZERO, flow_peer
from tests.evaluation.moving import moving_texture


@pytest.mark.parametrize("name", FLOW_PEERS)
@pytest.mark.parametrize("motion", [(5.0, -2.0), (-1.5, 3.0)])
def test_an_peer_follows_a_texture(name, motion):
    pytest.importorskip("cv2")
    first, second = moving_texture(96, 128, motion, frames=2)
    flow = flow_peer(name).flow(first, second)
    assert flow.dtype == np.float32 and flow.shape == (96, 128, 2)
    inner = flow[16:-16, 16:-16]
    assert np.abs(np.median(inner, axis=(0, 1)) - motion).max() < 0.2
    assert np.hypot(*(inner - np.float32(motion)).transpose(2, 0, 1)).mean() < 0.6


def test_an_peer_says_how_it_was_run():
    cv2 = pytest.importorskip("cv2")
    threads = cv2.getNumThreads()
    try:
        method = flow_peer("dis-medium", threads=1)
    finally:
        cv2.setNumThreads(threads)
    assert method.title == "DIS medium"
    assert method.description == f"OpenCV {cv2.__version__}, preset medium, 1 threads"


def test_no_motion_is_zero_everywhere():
    first, second = moving_texture(20, 30, (1, 1), frames=2)
    flow = ZERO.flow(first, second)
    assert flow.dtype == np.float32 and flow.shape == (20, 30, 2) and not flow.any()


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr("flowcodec.evaluation.flow.methods.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"DIS medium needs .* pip install 'flowcodec\[bench\]'"):
        flow_peer("dis-medium")


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(UsageError, match="'dis' to compare with: choose from dis-ultrafast,"):
        flow_peer("dis")
