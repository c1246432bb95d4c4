"""Data sets of optical flow in their published layouts: `find_pairs`, `load_pair`.

LAYOUTS lists them; each layout is one small function that walks over the files with known flow and
says which two frames belong to each. Flow maps pixels of frame 1 to frame 2: channel 0 is x to the
right, channel 1 is y down, in pixels.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowcodec.errors import MediaError, UsageError
from flowcodec.media.flow import read_flow
from flowcodec.media.picture import read_picture


@dataclass(frozen=True)
class Pair:
    """Where two frames lie, and the flow from the first to the second."""

    name: str
    first: Path
    second: Path
    flow: Path
    occluded: Path | None = None
    """A picture that is not black where the second frame hides a pixel of the first."""
    invalid: Path | None = None
    """A picture that is not black where `flow` is not to be used."""
    matched: Path | None = None
    """The flow once more, valid only where the second frame shows the pixel too."""
    every: int = 1
    """`flow` is stored at so many times the frames' resolution, in pixels of the frames."""
    part: str | None = None
    """"train", "val" or "test", where the data set says it."""


@dataclass(frozen=True, eq=False)
class LoadedPair:
    """A pair in memory.

    first, second: uint8 (H, W, 3), gray repeated to three channels.
    flow: float32 (H, W, 2), pixels. valid: bool (H, W), where it is known.
    occluded: bool (H, W), hidden in the second frame; or None where nobody says.
    """

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    flow: NDArray[np.float32]
    valid: NDArray[np.bool_]
    occluded: NDArray[np.bool_] | None


Found = Iterator[tuple[str, Pair]]
"""Pairs, each with the name of its data set."""


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk: a file to know it by, and the function that lists its pairs."""

    title: str
    sign: str
    find: Callable[[Path], Found]


def flying_chairs(root: Path) -> Found:
    folder = root / "data" if (root / "data").is_dir() else root
    parts = _chairs_parts(folder)
    for flow in folder.glob("[0-9]*_flow.flo"):
        number = flow.name.removesuffix("_flow.flo")
        first, second = (folder / f"{number}_img{index}.ppm" for index in (1, 2))
        yield "flyingchairs", Pair(number, first, second, flow, part=parts.get(number))


def _chairs_parts(folder: Path) -> dict[str, str]:
    """By number of the pair. The file that says it has a line for each: 1 trains, 2 validates."""
    for place in (folder, folder.parent):
        path = place / "FlyingChairs_train_val.txt"
        if path.is_file():
            marks = path.read_text(errors="replace").split()
            if not {*marks} <= {"1", "2"}:
                raise MediaError(f"{path} is damaged: each line has to be 1 or 2")
            return {
                f"{number:05d}": {"1": "train", "2": "val"}[mark]
                for number, mark in enumerate(marks, 1)
            }
    return {}


def flying_things(root: Path) -> Found:
    flows = root / "optical_flow"
    for time, steps in (("Future", 1), ("Past", -1)):
        folder = f"into_{time.lower()}"
        for flow in flows.glob(f"*/*/*/{folder}/*/OpticalFlowInto{time}_[0-9]*_?.pfm"):
            part, letter, scene, _, camera, _ = flow.relative_to(flows).parts
            number = flow.stem.split("_")[1]
            name = f"{part}/{letter}/{scene}/{folder}/{camera}/{number}"
            for render in ("clean", "final"):
                frames = root / f"frames_{render}pass" / part / letter / scene / camera
                first = frames / f"{number}.png"
                second = _neighbour(first, steps)
                pair = Pair(name, first, second, flow, part=part.lower())
                yield f"flyingthings3d_{render}", pair


def sintel(root: Path) -> Found:
    training = root / "training"
    for flow in training.glob("flow/*/frame_[0-9]*.flo"):
        scene, picture = flow.parent.name, f"{flow.stem}.png"
        for render in ("clean", "final"):
            first = training / render / scene / picture
            yield (
                f"sintel_{render}",
                Pair(
                    f"{scene}/{flow.stem}",
                    first,
                    _neighbour(first, 1),
                    flow,
                    occluded=_if_there(training / "occlusions" / scene / picture),
                    invalid=_if_there(training / "invalid" / scene / picture),
                ),
            )


def kitti_2012(root: Path) -> Found:
    training = root / "training"
    colour = training / "colored_0"
    return _kitti("kitti2012", colour if colour.is_dir() else training / "image_0")


def kitti_2015(root: Path) -> Found:
    return _kitti("kitti2015", root / "training" / "image_2")


def _kitti(name: str, frames: Path) -> Found:
    everywhere, matched = frames.with_name("flow_occ"), frames.with_name("flow_noc")
    known = everywhere if everywhere.is_dir() else matched
    for flow in known.glob("[0-9]*_10.png"):
        first, second = frames / flow.name, frames / flow.name.replace("_10.", "_11.")
        both = _if_there(matched / flow.name) if known is everywhere else None
        yield name, Pair(flow.stem, first, second, flow, matched=both)


MIDDLEBURY_FRAMES = (
    "other-data",
    "other-color-allframes/other-data",
    "other-color-twoframes/other-data",
    "other-color-allframes",
    "other-color-twoframes",
    "other-data-gray",
)


def middlebury(root: Path) -> Found:
    for flow in root.glob("other-gt-flow/*/flow10.flo"):
        scene = flow.parent.name
        for frames in (root / folder / scene for folder in MIDDLEBURY_FRAMES):
            if frames.is_dir():
                yield (
                    "middlebury",
                    Pair(scene, frames / "frame10.png", frames / "frame11.png", flow),
                )
                break


def hd1k(root: Path) -> Found:
    frames = root / "hd1k_input" / "image_2"
    for flow in root.glob("hd1k_flow_gt/flow_occ/[0-9]*_[0-9]*.png"):
        first = frames / flow.name
        yield "hd1k", Pair(flow.stem, first, _neighbour(first, 1), flow)


def spring(root: Path) -> Found:
    for direction, steps in (("FW", 1), ("BW", -1)):
        for camera in ("left", "right"):
            view = f"{direction}_{camera}"
            for flow in root.glob(f"train/*/flow_{view}/flow_{view}_[0-9]*.flo5"):
                scene, number = flow.parent.parent, flow.stem.split("_")[3]
                first = scene / f"frame_{camera}" / f"frame_{camera}_{number}.png"
                second, name = _neighbour(first, steps), f"{scene.name}/{view}_{number}"
                yield "spring", Pair(name, first, second, flow, every=2, part="train")


def scenes(root: Path) -> Found:
    for flow in root.glob("*/flow.png"):
        scene = flow.parent
        occluded = _if_there(scene / "occ.png")
        pair = Pair(scene.name, scene / "img1.png", scene / "img2.png", flow, occluded)
        yield root.resolve().name, pair


LAYOUTS = (
    Layout("FlyingChairs", "data/00001_flow.flo", flying_chairs),
    Layout("FlyingThings3D", "optical_flow/TRAIN/A/0000/into_future/left/*.pfm", flying_things),
    Layout("MPI-Sintel", "training/flow/alley_1/frame_0001.flo", sintel),
    Layout("KITTI 2012", "training/colored_0 or image_0/000000_10.png", kitti_2012),
    Layout("KITTI 2015", "training/image_2/000000_10.png", kitti_2015),
    Layout("Middlebury", "other-gt-flow/Venus/flow10.flo", middlebury),
    Layout("HD1K", "hd1k_flow_gt/flow_occ/000000_0000.png", hd1k),
    Layout("Spring", "train/0001/flow_FW_left/flow_FW_left_0001.flo5", spring),
    Layout("plain", "SCENE/img1.png, img2.png, flow.png", scenes),
)


def find_pairs(folder: Path | str) -> dict[str, list[Pair]]:
    """The pairs below `folder` by data set, sorted by name: those with flow and both frames there.

    `folder` holds one data set, or several, each in a folder of its own; what lies there tells
    which they are. Their names are flyingchairs, flyingthings3d_clean and _final, sintel_clean and
    _final, kitti2012, kitti2015, middlebury, hd1k, spring; plain scenes take their folder's.

    Raises MediaError where `folder` is none, and UsageError where no pair is found, naming the
    layouts, or one is found twice.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MediaError(f"{folder} is not a folder")
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    found = _pairs_in([folder]) or _pairs_in(inside)
    if not found:
        known = "; ".join(f"{layout.title} ({layout.sign})" for layout in LAYOUTS)
        raise UsageError(f"{folder} holds no pairs with flow in a layout that is known: {known}")
    return found


def _pairs_in(roots: list[Path]) -> dict[str, list[Pair]]:
    found: dict[str, dict[str, Pair]] = {}
    for root in roots:
        for layout in LAYOUTS:
            for name, pair in layout.find(root):
                if not (pair.first.is_file() and pair.second.is_file()):
                    continue
                others = found.setdefault(name, {})
                if pair.name in others:
                    raise UsageError(
                        f"{name} is there twice, by {others[pair.name].flow} and {pair.flow}; "
                        "name the folder of one"
                    )
                others[pair.name] = pair
    return {name: [pairs[key] for key in sorted(pairs)] for name, pairs in sorted(found.items())}


def load_pair(pair: Pair) -> LoadedPair:
    """Read the files of a pair. Raises MediaError where one is damaged or of another size."""
    first, second = _frame(pair.first), _frame(pair.second)
    shape = first.shape[:2]
    flow = read_flow(pair.flow)
    vectors = np.ascontiguousarray(flow.vectors[:: pair.every, :: pair.every])
    valid = np.ascontiguousarray(flow.valid[:: pair.every, :: pair.every])
    _check_size(pair.second, second, shape)
    _check_size(pair.flow, valid, shape)
    if pair.invalid is not None:
        valid &= ~_mask(pair.invalid, shape)
    occluded = None
    if pair.occluded is not None:
        occluded = _mask(pair.occluded, shape)
    elif pair.matched is not None:
        matched = read_flow(pair.matched).valid
        _check_size(pair.matched, matched, shape)
        occluded = valid & ~matched
    return LoadedPair(first, second, vectors, valid, occluded)


def _frame(path: Path) -> NDArray[np.uint8]:
    pixels = read_picture(path).pixels
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _mask(path: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    pixels = read_picture(path).pixels
    _check_size(path, pixels, shape)
    mask: NDArray[np.bool_] = np.max(pixels, axis=2) > 0
    return mask


def _check_size(path: Path, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape[:2] != shape:
        raise MediaError(
            f"{path} has {array.shape[1]} x {array.shape[0]} pixels, its first frame "
            f"{shape[1]} x {shape[0]}"
        )


def _neighbour(frame: Path, steps: int) -> Path:
    """The frame that many steps on, its number as many digits long."""

    def moved(number: re.Match[str]) -> str:
        return str(int(number[0]) + steps).zfill(len(number[0]))

    return frame.with_name(re.sub("[0-9]+$", moved, frame.stem) + frame.suffix)


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None
