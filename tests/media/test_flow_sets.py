"""Data sets in their published layouts, written small and read back with exact values."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowcodec.errors import MediaError, UsageError
from flowcodec.media.flow import write_flow
from flowcodec.media.flow_sets import LAYOUTS, Pair, find_pairs, load_pair
from tests.conftest import SHARED_DATA
from tests.media.flow_trees import write_flo5, write_pfm

HEIGHT, WIDTH = 6, 9


def frame(path: Path, channels: int = 3) -> np.ndarray:
    """Write a picture that only this path has, and return it as (H, W, 3)."""
    pixels = random(path).integers(0, 256, (HEIGHT, WIDTH, channels), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
    return np.broadcast_to(pixels, (HEIGHT, WIDTH, 3))


def frames(paths: Iterable[Path], channels: int = 3) -> list[np.ndarray]:
    return [frame(path, channels) for path in paths]


def mask(path: Path) -> np.ndarray:
    """Write a mask, as a picture of 0 and 255, and return it."""
    marked = random(path).random((HEIGHT, WIDTH)) < 0.3
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(marked, np.uint8(255), np.uint8(0))).save(path)
    return marked


def flow(path: Path, valid: np.ndarray | None = None) -> np.ndarray:
    """Write vectors in steps of 1/64 pixel, which every format holds, and return them."""
    vectors = random(path).integers(-6400, 6400, (HEIGHT, WIDTH, 2)).astype(np.float32) / 64
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pfm":
        write_pfm(path, vectors)
    else:
        write_flow(path, vectors, valid)
    return vectors


def random(path: Path) -> np.random.Generator:
    """Different for each path, and the same in each run, which pytest numbers."""
    parts = [part for part in path.parts if not part.startswith("pytest-")]
    return np.random.default_rng(list("/".join(parts).encode()))


def only(folder: Path, data_set: str) -> Pair:
    found = find_pairs(folder)
    assert list(found) == [data_set] and len(found[data_set]) == 1
    return found[data_set][0]


def assert_loads(pair: Pair, first, second, vectors, valid=None, occluded=None) -> None:
    loaded = load_pair(pair)
    valid = np.ones((HEIGHT, WIDTH), bool) if valid is None else valid
    assert loaded.first.dtype == loaded.second.dtype == np.uint8
    assert loaded.flow.dtype == np.float32 and loaded.valid.dtype == bool
    np.testing.assert_array_equal(loaded.first, first)
    np.testing.assert_array_equal(loaded.second, second)
    np.testing.assert_array_equal(loaded.valid, valid)
    np.testing.assert_array_equal(loaded.flow[valid], vectors[valid])
    if occluded is None:
        assert loaded.occluded is None
    else:
        np.testing.assert_array_equal(loaded.occluded, occluded)


@pytest.mark.parametrize("inside", ["data", "."])
def test_flying_chairs(tmp_path: Path, inside: str):
    folder = tmp_path / inside
    wanted = {}
    for number in ("00001", "00002", "00003"):
        wanted[number] = (
            *frames(folder / f"{number}_img{index}.ppm" for index in (1, 2)),
            flow(folder / f"{number}_flow.flo"),
        )
    pairs = find_pairs(tmp_path)["flyingchairs"]
    assert [(pair.name, pair.part) for pair in pairs] == [(number, None) for number in wanted]
    for pair in pairs:
        assert_loads(pair, *wanted[pair.name])
    split = tmp_path / "FlyingChairs_train_val.txt"
    split.write_text("1\n2\n1\n")
    for root in (tmp_path, folder):
        pairs = find_pairs(root)["flyingchairs"]
        assert [pair.part for pair in pairs] == ["train", "val", "train"]
    split.write_text("1\n3\n1\n")
    with pytest.raises(MediaError, match="each line has to be 1 or 2"):
        find_pairs(tmp_path)


def test_flying_things(tmp_path: Path):
    seen = {}
    for part, camera in (("TRAIN", "left"), ("TEST", "right")):
        for render in ("clean", "final"):
            folder = tmp_path / f"frames_{render}pass" / part / "B" / "0012" / camera
            for number in ("0009", "0010"):
                seen[render, part, number] = frame(folder / f"{number}.png")
        for number in ("0009", "0010"):
            for time in ("Future", "Past"):
                folder = tmp_path / f"optical_flow/{part}/B/0012/into_{time.lower()}/{camera}"
                path = folder / f"OpticalFlowInto{time}_{number}_{camera[0].upper()}.pfm"
                seen[part, number, time] = flow(path)
    found = find_pairs(tmp_path)
    assert list(found) == ["flyingthings3d_clean", "flyingthings3d_final"]
    for data_set, pairs in found.items():
        render = data_set.removeprefix("flyingthings3d_")
        # Of the flows to frames before the first and after the last nothing is made.
        assert [(pair.name, pair.part) for pair in pairs] == [
            ("TEST/B/0012/into_future/right/0009", "test"),
            ("TEST/B/0012/into_past/right/0010", "test"),
            ("TRAIN/B/0012/into_future/left/0009", "train"),
            ("TRAIN/B/0012/into_past/left/0010", "train"),
        ]
        for pair in pairs:
            part = pair.name.split("/")[0]
            both = [seen[render, part, number] for number in ("0009", "0010")]
            if "into_future" in pair.name:
                assert_loads(pair, *both, seen[part, "0009", "Future"])
            else:
                assert_loads(pair, *both[::-1], seen[part, "0010", "Past"])


def test_sintel(tmp_path: Path):
    training = tmp_path / "training"
    scene = "alley_1"
    shown = {
        render: frames(training / render / scene / f"frame_{i:04}.png" for i in (1, 2, 3))
        for render in ("clean", "final")
    }
    flows = [flow(training / "flow" / scene / f"frame_{i:04}.flo") for i in (1, 2)]
    hidden = mask(training / "occlusions" / scene / "frame_0001.png")
    invalid = mask(training / "invalid" / scene / "frame_0001.png")
    found = find_pairs(tmp_path)
    assert list(found) == ["sintel_clean", "sintel_final"]
    for data_set, pairs in found.items():
        assert [pair.name for pair in pairs] == ["alley_1/frame_0001", "alley_1/frame_0002"]
        images = shown[data_set.removeprefix("sintel_")]
        assert_loads(pairs[0], *images[:2], flows[0], ~invalid, hidden)
        assert_loads(pairs[1], *images[1:], flows[1])


@pytest.mark.parametrize(
    ("data_set", "camera", "channels"),
    [("kitti2012", "image_0", 1), ("kitti2012", "colored_0", 3), ("kitti2015", "image_2", 3)],
)
def test_kitti(tmp_path: Path, data_set: str, camera: str, channels: int):
    training = tmp_path / "training"
    shown = frames((training / camera / f"000007_{i}.png" for i in (10, 11)), channels)
    # Flow that is known, of which a part is known to be seen again.
    known = mask(tmp_path / "known.png")
    seen = known & mask(tmp_path / "seen.png")
    noc = flow(training / "flow_noc" / "000007_10.png", seen)
    pair = only(tmp_path, data_set)
    assert pair.name == "000007_10"
    assert_loads(pair, *shown, noc, seen)
    occ = flow(training / "flow_occ" / "000007_10.png", known)
    assert_loads(only(tmp_path, data_set), *shown, occ, known, known & ~seen)


def test_kitti_2012_prefers_colour(tmp_path: Path):
    training = tmp_path / "training"
    frames((training / "image_0" / f"000007_{i}.png" for i in (10, 11)), 1)
    colour = frames(training / "colored_0" / f"000007_{i}.png" for i in (10, 11))
    vectors = flow(training / "flow_occ" / "000007_10.png")
    assert_loads(only(tmp_path, "kitti2012"), *colour, vectors)


@pytest.mark.parametrize(
    "inside", ["other-data", "other-color-allframes", "other-color-twoframes/other-data"]
)
def test_middlebury(tmp_path: Path, inside: str):
    shown = frames(tmp_path / inside / "Venus" / f"frame{i}.png" for i in (10, 11))
    frames(tmp_path / inside / "Beanbags" / f"frame{i}.png" for i in (10, 11))
    known = mask(tmp_path / "known.png")
    vectors = flow(tmp_path / "other-gt-flow" / "Venus" / "flow10.flo", known)
    pair = only(tmp_path, "middlebury")
    assert pair.name == "Venus"
    assert_loads(pair, *shown, vectors, known)


def test_hd1k(tmp_path: Path):
    shown, flows = [], []
    known = mask(tmp_path / "known.png")
    for i in (9, 10):
        shown.append(frame(tmp_path / "hd1k_input" / "image_2" / f"000003_{i:04}.png"))
        path = tmp_path / "hd1k_flow_gt" / "flow_occ" / f"000003_{i:04}.png"
        flows.append(flow(path, known))
    pair = only(tmp_path, "hd1k")
    assert pair.name == "000003_0009"
    assert_loads(pair, *shown, flows[0], known)


def test_spring(tmp_path: Path):
    """Its flow has four samples a pixel of the frames, in pixels of the frames: one is taken."""
    pytest.importorskip("h5py")
    scene = tmp_path / "train" / "0002"
    fine = {}
    for camera in ("left", "right"):
        shown = frames(scene / f"frame_{camera}" / f"frame_{camera}_{i:04}.png" for i in (1, 2))
        for direction, number in (("FW", 1), ("BW", 2)):
            view = f"{direction}_{camera}"
            path = scene / f"flow_{view}" / f"flow_{view}_{number:04}.flo5"
            path.parent.mkdir(parents=True)
            vectors = random(path).normal(0, 9, (2 * HEIGHT, 2 * WIDTH, 2)).astype(np.float32)
            vectors[2, 4] = vectors[3, 5] = np.nan
            write_flo5(path, vectors)
            fine[view] = (shown if direction == "FW" else shown[::-1], vectors)
    pairs = find_pairs(tmp_path)["spring"]
    assert [(pair.name, pair.part) for pair in pairs] == [
        ("0002/BW_left_0002", "train"),
        ("0002/BW_right_0002", "train"),
        ("0002/FW_left_0001", "train"),
        ("0002/FW_right_0001", "train"),
    ]
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[1, 2] = False
    for pair in pairs:
        shown, vectors = fine[pair.name[5:].rpartition("_")[0]]
        assert_loads(pair, *shown, vectors[::2, ::2], valid)


def test_plain_scenes(tmp_path: Path):
    for channels, data_set in ((1, "gray"), (3, "colour")):
        folder = tmp_path / data_set / "scene_1"
        shown = frames((folder / f"img{i}.png" for i in (1, 2)), channels)
        vectors, hidden = flow(folder / "flow.png"), mask(folder / "occ.png")
        assert_loads(only(tmp_path / data_set, data_set), *shown, vectors, None, hidden)
    assert list(find_pairs(tmp_path)) == ["colour", "gray"]


def test_a_folder_of_data_sets(tmp_path: Path):
    venus = tmp_path / "mb" / "other-data" / "Venus"
    frames(venus / f"frame{i}.png" for i in (10, 11))
    flow(tmp_path / "mb" / "other-gt-flow" / "Venus" / "flow10.flo")
    frames(tmp_path / "chairs" / f"00001_img{i}.ppm" for i in (1, 2))
    flow(tmp_path / "chairs" / "00001_flow.flo")
    assert list(find_pairs(tmp_path)) == ["flyingchairs", "middlebury"]
    frames(tmp_path / "copy" / f"00001_img{i}.ppm" for i in (1, 2))
    flow(tmp_path / "copy" / "00001_flow.flo")
    with pytest.raises(UsageError, match="flyingchairs is there twice"):
        find_pairs(tmp_path)


def test_unknown_layouts_are_answered_with_those_known(tmp_path: Path):
    frame(tmp_path / "a" / "picture.png")
    with pytest.raises(UsageError, match="holds no pairs with flow") as error:
        find_pairs(tmp_path)
    assert all(layout.title in str(error.value) for layout in LAYOUTS)
    assert "\n" not in str(error.value)
    with pytest.raises(MediaError, match="is not a folder"):
        find_pairs(tmp_path / "nowhere")


@pytest.mark.parametrize("file", ["img2.png", "flow.png", "occ.png"])
def test_files_of_another_size_are_named(tmp_path: Path, file: str):
    folder = tmp_path / "set" / "scene"
    frames(folder / f"img{i}.png" for i in (1, 2))
    flow(folder / "flow.png")
    mask(folder / "occ.png")
    pair = only(tmp_path, "set")
    if file == "flow.png":
        write_flow(folder / file, np.zeros((3, 4, 2)))
    else:
        Image.new("L", (4, 3)).save(folder / file)
    with pytest.raises(MediaError, match=rf"{file} has 4 x 3 pixels, its first frame 9 x 6"):
        load_pair(pair)


def test_shared_pairs_load():
    """All of them, and their occluded shares as the table that comes with them says."""
    folder = SHARED_DATA / "eval" / "flow"
    if not folder.is_dir():
        pytest.skip("the flow pairs are not here: put them into ../shared/data beside the clone")
    found = find_pairs(folder)
    assert {name: len(pairs) for name, pairs in found.items()} == {
        "flyingchairs": 3,
        "kitti2012": 1,
        "kitti2015": 1,
        "middlebury": 3,
        "piv": 2,
        "sintel_clean": 2,
        "sintel_final": 3,
    }
    loaded = [load_pair(pair) for pair in found["sintel_final"]]
    occluded = [100 * pair.occluded.mean() for pair in loaded]
    assert occluded == pytest.approx([18.9, 7.7, 12.4], abs=0.06)
