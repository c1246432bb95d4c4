"""Video codecs side by side: whole streams counted, frames counted, BD-rates by sequence."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest

from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.video import peers
from flowcodec.evaluation.video.comparison import VideoComparison, frontier
from flowcodec.evaluation.video.peers import PEERS, peers_named
from flowcodec.evaluation.video.plot import plot_curves
from flowcodec.evaluation.video.run import evaluate, evaluate_peer, measure
from flowcodec.evaluation.video.sequences import find_sequences, read_sequence
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.test_video import clip

FRAMES = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("clips")
    for name, sampling in (("native", "420"), ("colours", "rgb")):
        format = usual_format(64, 64, Fraction(25), sampling)
        with create_video(found / f"{name}.mkv", format, lossless=True) as writer:
            for frame in clip(FRAMES, 64, 64):
                writer.write(frame)
    return found


@pytest.fixture(scope="module")
def sequences(folder):
    return [read_sequence(path, FRAMES) for path in find_sequences(folder)]


class Coarse:
    """A codec that keeps every frame in so many steps, compressed by NumPy."""

    def __init__(self, lost=0):
        self.lost = lost

    def write(self, timed, format, stream, quality, *, gop):
        step = round(2 ** (6 - quality / 2))
        frames = np.stack([frame // step * step + step // 2 for _, frame in timed])
        np.savez_compressed(stream, frames=np.clip(frames, 0, 255).astype(np.uint8))

    def read(self, stream):
        frames = np.load(stream)["frames"]
        yield from enumerate(frames[: len(frames) - self.lost])


def test_points_that_cost_more_for_nothing_do_not_count() -> None:
    points = [(5.0, 31.0), (1.0, 30.0), (3.0, 29.5), (3.0, 30.5), (2.0, 30.0), (4.0, 30.5)]
    assert frontier(points) == [(1.0, 30.0), (3.0, 30.5), (5.0, 31.0)]


def test_sequences_are_what_was_written(sequences):
    by_name = {sequence.name: sequence for sequence in sequences}
    assert by_name["native"].native
    assert not by_name["colours"].native
    assert by_name["colours"].format.matrix == "bt709"
    for sequence in sequences:
        assert len(sequence.frames) == len(sequence.planes) == FRAMES


@pytest.mark.parametrize("name", PEERS)
def test_an_peer_gives_back_all_frames_from_its_own_bytes(sequences, name):
    (peer,) = peers_named([name])
    found = evaluate_peer(replace(peer, sweep=peer.sweep[::3]), sequences, 4, lambda: None)
    for sequence in sequences:
        points = found[sequence.name]
        assert all(a.bytes > b.bytes for a, b in zip(points, points[1:], strict=False))
        assert all(a.psnr > b.psnr for a, b in zip(points, points[1:], strict=False))
        assert points[0].psnr > 28
        assert len(points[0].frame_psnr) == FRAMES
        assert (points[0].psnr_yuv is not None) == sequence.native
        assert points[0].bpp == pytest.approx(8 * points[0].bytes / (64 * 64 * FRAMES))


@pytest.mark.parametrize("name", ["x265-veryfast", "x264-veryfast", "vvenc-faster"])
def test_groups_have_the_length_asked_for(sequences, name):
    import av

    data = peers.encode(PEERS[name], sequences[0], 30, 4)
    with av.open(BytesIO(data), format=PEERS[name].container) as container:
        keys = [unit.is_keyframe for unit in container.demux(video=0) if unit.size]
    whole = FRAMES // 4 * 4  # VVenC goes on where a last group would be short
    assert len(keys) == FRAMES
    assert keys[:whole] == [number % 4 == 0 for number in range(whole)]


def test_an_unknown_peer_is_refused():
    with pytest.raises(UsageError, match="x265-veryfast"):
        peers_named(["x266"])


def test_lost_frames_are_an_error(sequences):
    with pytest.raises(FlowcodecError, match="10 frames were coded, 9 came back"):
        measure(Coarse(lost=1), sequences[0], 4, 12)


def test_a_video_that_is_too_short_is_refused(folder):
    with pytest.raises(UsageError, match="--frames"):
        read_sequence(folder / "native.mkv", FRAMES + 1)


def test_rates_and_their_mean(sequences, tmp_path):
    qualities = [2.0, 4.0, 6.0, 8.0]
    ours = evaluate(Coarse(), sequences, qualities, 12, lambda: None)
    halved = {
        name: [replace(point, bytes=point.bytes // 2, bpp=point.bpp / 2) for point in points]
        for name, points in ours.items()
    }
    comparison = VideoComparison("ours", halved, {"other": ours}, {}, 12, FRAMES, apart=["nat"])
    found = json.loads(json.dumps(comparison.as_json()))
    rates = found["bd_rate"]["other"]["psnr"]
    assert set(rates) == {"mean", "mean apart", "mean of the others", "native", "colours"}
    assert all(math.isclose(value, -50, abs_tol=0.1) for value in rates.values())
    assert found["bd_rate"]["other"]["ms-ssim"]["mean"] is None  # frames of 64x64 have none
    assert len(found["curves"]["ours"]["native"]) == len(qualities)
    plot_curves(comparison, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000
