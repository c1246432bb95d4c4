"""Flow files: exact round trips, the published encodings byte for byte, damage."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flowcodec.errors import MediaError
from flowcodec.media.flow import read_flow, write_flow
from tests.conftest import SHARED_DATA
from tests.media.flow_trees import write_flo5, write_pfm
from tests.media.handmade import RGB, png

WRITTEN = [".flo", ".png", ".npy", ".npz"]
READ = [*WRITTEN, ".pfm", ".flo5"]
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def flows(draw, steps: bool = False):
    """Vectors and a mask; with `steps`, vectors are multiples of 1/64 that PNG holds."""
    height, width = draw(SIZES)
    valid = draw(hnp.arrays(bool, (height, width)))
    if steps:
        codes = draw(hnp.arrays(np.uint16, (height, width, 2)))
        return (codes.astype(np.float32) - 32768) / 64, valid
    values = st.floats(-1e9, 1e9, width=32)
    return draw(hnp.arrays(np.float32, (height, width, 2), elements=values)), valid


def assert_read(path: Path, vectors, valid) -> None:
    flow = read_flow(path)
    assert flow.vectors.dtype == np.float32 and flow.valid.dtype == bool
    np.testing.assert_array_equal(flow.valid, valid)
    np.testing.assert_array_equal(flow.vectors, np.where(valid[..., None], vectors, 0))


@pytest.mark.parametrize("suffix", [".flo", ".npy", ".npz"])
@given(flow=flows())
def test_floats_and_what_is_unknown_come_back(tmp_path_factory, suffix, flow):
    path = tmp_path_factory.getbasetemp() / f"flow{suffix}"
    write_flow(path, *flow)
    assert_read(path, *flow)


@given(flow=flows(steps=True))
def test_every_code_of_kitti_comes_back(tmp_path_factory, flow):
    path = tmp_path_factory.getbasetemp() / "flow.png"
    write_flow(path, *flow)
    assert_read(path, *flow)


@given(flow=flows(), little=st.booleans())
def test_pfm_is_read_from_the_bottom_up(tmp_path_factory, flow, little):
    path = tmp_path_factory.getbasetemp() / "flow.pfm"
    write_pfm(path, flow[0], little)
    assert_read(path, flow[0], np.ones(flow[1].shape, bool))


@given(flow=flows())
def test_flo5_is_read(tmp_path_factory, flow):
    pytest.importorskip("h5py")
    path = tmp_path_factory.getbasetemp() / "flow.flo5"
    write_flo5(path, np.where(flow[1][..., None], flow[0], np.nan))
    assert_read(path, *flow)


@given(data=hnp.arrays(np.float32, (3, 4, 2), elements=st.floats(-511, 511, width=32)))
def test_png_is_off_by_half_a_step_at_most(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "flow.png"
    write_flow(path, data)
    assert np.abs(read_flow(path).vectors - data).max() <= 1 / 128


def test_flo_is_what_middlebury_describes(tmp_path: Path):
    path = tmp_path / "flow.flo"
    write_flow(path, [[[1, 2], [3, 4], [5, 6]]], [[True, True, False]])
    expected = struct.pack("<fii6f", 202021.25, 3, 1, 1, 2, 3, 4, 1e10, 1e10)
    assert path.read_bytes() == expected


def test_png_is_what_kitti_describes(tmp_path: Path):
    """u and v in R and G, in steps of 1/64 about 32768, and B says what is known."""
    codes = np.array([[[32768 + 64, 32768 - 128, 1], [0, 0, 0], [1, 65535, 255]]], ">u2")
    path = tmp_path / "flow.png"
    path.write_bytes(png(3, 1, 16, RGB, codes.tobytes()))
    flow = read_flow(path)
    assert flow.valid.tolist() == [[True, False, True]]
    assert flow.vectors.tolist() == [[[1, -2], [0, 0], [-32767 / 64, 32767 / 64]]]


@pytest.mark.parametrize("suffix", WRITTEN)
def test_what_is_no_number_is_unknown(tmp_path: Path, suffix: str):
    vectors = np.ones((2, 3, 2), np.float32)
    vectors[0, :, 1] = np.nan, np.inf, 2e9
    write_flow(tmp_path / f"flow{suffix}", vectors)
    flow = read_flow(tmp_path / f"flow{suffix}")
    assert flow.valid.tolist() == [[False] * 3, [True] * 3]
    assert not flow.vectors[0].any() and (flow.vectors[1] == 1).all()


def test_other_number_types_are_taken(tmp_path: Path):
    for kind in (np.float16, np.float64, np.int8, np.int64):
        np.save(tmp_path / "flow.npy", np.full((2, 3, 2), 7, kind))
        assert_read(tmp_path / "flow.npy", np.full((2, 3, 2), 7), np.ones((2, 3), bool))


@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_large_still_flow_packs_and_comes_back(tmp_path: Path, suffix: str):
    still = np.zeros((1000, 1500, 2), np.float32)
    write_flow(tmp_path / f"flow{suffix}", still)
    assert_read(tmp_path / f"flow{suffix}", still, np.ones((1000, 1500), bool))


def test_what_png_cannot_hold_is_refused(tmp_path: Path):
    path = tmp_path / "flow.png"
    for value, held in [(-512, True), (511.984375, True), (512, False), (-512.1, False)]:
        vectors = np.full((1, 1, 2), value, np.float32)
        if held:
            write_flow(path, vectors)
            assert read_flow(path).vectors.tolist() == vectors.tolist()
        else:
            with pytest.raises(MediaError, match=r"PNG holds -512 to 511\.98 pixels"):
                write_flow(path, vectors)
    assert [file.name for file in tmp_path.iterdir()] == ["flow.png"]
    write_flow(path, np.full((1, 1, 2), 600), [[False]])


def test_unknown_suffixes_are_answered_with_those_known(tmp_path: Path):
    with pytest.raises(MediaError, match=r"read as \.flo \.png \.npy \.npz \.pfm \.flo5;"):
        read_flow(tmp_path / "flow.tif")
    with pytest.raises(MediaError, match=r"written as \.flo \.png \.npy \.npz;"):
        write_flow(tmp_path / "flow.pfm", np.zeros((2, 2, 2)))


@pytest.mark.parametrize(
    ("vectors", "valid", "what"),
    [
        (np.zeros((2, 3)), None, r"flow must be numbers \(height, width, 2\)"),
        (np.zeros((2, 3, 3)), None, "flow must be numbers"),
        (np.zeros((0, 3, 2)), None, "flow must be numbers"),
        (np.zeros((2, 3, 2), complex), None, "flow must be numbers"),
        (np.zeros((2, 3, 2)), np.ones((3, 2), bool), r"valid must be \(2, 3\)"),
    ],
)
def test_arrays_that_are_no_flow_are_refused(tmp_path: Path, vectors, valid, what):
    with pytest.raises(MediaError, match=what):
        write_flow(tmp_path / "flow.flo", vectors, valid)
    assert list(tmp_path.iterdir()) == []


def test_writing_leaves_the_arrays_alone(tmp_path: Path):
    vectors = np.full((2, 2, 2), np.nan, np.float32)
    write_flow(tmp_path / "flow.flo", vectors)
    assert np.isnan(vectors).all()


@pytest.fixture(params=READ)
def good_file(tmp_path: Path, request) -> Path:
    path = tmp_path / f"flow{request.param}"
    vectors = np.random.default_rng(1).normal(0, 30, (12, 17, 2)).astype(np.float32)
    if request.param == ".pfm":
        write_pfm(path, vectors, little=True)
    elif request.param == ".flo5":
        pytest.importorskip("h5py")
        write_flo5(path, vectors)
    else:
        write_flow(path, vectors)
    return path


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9])
def test_truncated_files_are_named(good_file: Path, share: float):
    data = good_file.read_bytes()
    good_file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError, match=good_file.name) as error:
        read_flow(good_file)
    assert "\n" not in str(error.value)


def test_other_files_are_named(good_file: Path):
    good_file.write_bytes(b"this is something else entirely" * 20)
    with pytest.raises(MediaError, match=good_file.name):
        read_flow(good_file)


@pytest.mark.filterwarnings("ignore:Reading `.npy`")  # written by Python 2, as it then looks
def test_a_changed_byte_gives_a_flow_or_a_media_error(good_file: Path):
    data = good_file.read_bytes()
    rng = np.random.default_rng(2)
    places = [*range(min(64, len(data))), *rng.integers(0, len(data), 60)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        good_file.write_bytes(changed)
        try:
            flow = read_flow(good_file)
        except MediaError:
            continue
        assert np.isfinite(flow.vectors).all()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("flow.flo", struct.pack("<4sii", b"PIEH", 2**30, 2**30) + bytes(64)),
        ("flow.flo", struct.pack("<4sii", b"PIEH", -1, -1) + bytes(8)),
        ("flow.flo", struct.pack("<4sii", b"PIEH", 30000, 30000) + bytes(64)),
        ("flow.flo", struct.pack("<4sii", b"PIEH", 1, 1) + bytes(9)),
        ("flow.pfm", b"PF\n30000 30000\n-1\n" + bytes(64)),
        ("flow.png", png(2, 1, 16, RGB, bytes(12)).replace(struct.pack(">I", 2), b"\0\0\x75\0", 1)),
    ],
)
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, name: str, data: bytes):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MediaError, match=name):
        read_flow(tmp_path / name)


def test_a_common_picture_is_no_flow(tmp_path: Path):
    (tmp_path / "picture.png").write_bytes(png(2, 2, 8, RGB, bytes(12)))
    with pytest.raises(MediaError, match="which is 16-bit RGB"):
        read_flow(tmp_path / "picture.png")


def test_pickles_are_not_opened(tmp_path: Path):
    for path, save in [(tmp_path / "flow.npy", np.save), (tmp_path / "flow.npz", np.savez)]:
        objects = np.full((2, 2, 2), None)
        save(path, objects) if path.suffix == ".npy" else save(path, flow=objects)
        with pytest.raises(MediaError, match=path.name):
            read_flow(path)


def test_npz_needs_an_array_named_flow(tmp_path: Path):
    np.savez(tmp_path / "flow.npz", vectors=np.zeros((2, 2, 2)))
    with pytest.raises(MediaError, match="holds no array named 'flow'"):
        read_flow(tmp_path / "flow.npz")


def test_missing_h5py_is_answered_with_the_extra(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MediaError, match=r"pip install 'flowcodec\[bench\]'"):
        read_flow(tmp_path / "flow.flo5")


def test_missing_files_are_named(tmp_path: Path):
    for suffix in READ:
        if suffix == ".flo5":
            pytest.importorskip("h5py")
        with pytest.raises(MediaError, match=rf"flow\{suffix}"):
            read_flow(tmp_path / f"flow{suffix}")


def test_shared_pairs_read_as_their_table_says():
    """Figures of the table that comes with the pairs: mean length, and share of unknown pixels."""
    folder = SHARED_DATA / "eval" / "flow"
    if not folder.is_dir():
        pytest.skip("the flow pairs are not here: put them into ../shared/data beside the clone")
    for scene, mean, unknown in [
        ("flyingchairs/0000005", 30.80, 0.00),
        ("kitti2015/000000_10", 51.01, 83.80),
        ("middlebury/RubberWhale", 1.26, 1.60),
        ("sintel_final/market_5_frame_0002", 31.97, 0.09),
    ]:
        flow = read_flow(folder / scene / "flow.png")
        lengths = np.linalg.norm(flow.vectors[flow.valid], axis=1)
        assert lengths.mean() == pytest.approx(mean, abs=0.006)
        assert 100 * (1 - flow.valid.mean()) == pytest.approx(unknown, abs=0.006)
