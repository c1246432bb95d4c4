"""Optical flow in files: `Flow`, `read_flow`, `write_flow`.

Flow maps pixels of frame 1 to frame 2: what frame 1 shows at (x, y), frame 2 shows at
(x + vectors[y, x, 0], y + vectors[y, x, 1]). Channel 0 counts to the right, channel 1 down, both
in pixels. The suffix of the name says how the file holds it:

    .flo    Middlebury   "PIEH", width, height, then u, v as floats, all little-endian;
                         over a thousand million is unknown
    .png    KITTI        16-bit RGB: u and v in steps of 1/64 pixel about 32768, and valid or not
    .npy    NumPy        (H, W, 2); NaN is unknown
    .npz    NumPy        "flow" (H, W, 2), and "valid" (H, W) where it is there
    .pfm    FreeImage    FlyingThings3D; "PF", rows from the bottom up, a third channel unused
    .flo5   HDF5         Spring; "flow" (H, W, 2), NaN is unknown

The last two are read only.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowcodec.errors import MediaError
from flowcodec.media.files import as_media_error, atomic_write
from flowcodec.media.opening import MAX_PIXELS

T = TypeVar("T")

_UNKNOWN = 1e9  # Middlebury: what is larger is no vector
_WRITTEN_UNKNOWN = 1e10
_FLO_MAGIC = b"PIEH"  # 202021.25 as a float
_PNG_ZERO, _PNG_STEPS = 32768, 64  # KITTI: the code of 0, codes a pixel
_DEFLATE_RATIO = 1040  # zlib packs no more than 1032 bytes into one


@dataclass(frozen=True, eq=False)
class Flow:
    """vectors: float32 (H, W, 2), pixels, finite, 0 where unknown. valid: bool (H, W), known."""

    vectors: NDArray[np.float32]
    valid: NDArray[np.bool_]


def read_flow(path: Path | str) -> Flow:
    """The flow in a .flo, .png, .npy, .npz, .pfm or .flo5 file, all of it float32.

    Whatever is not finite or is over 1e9 counts as unknown in every format. Raises MediaError where
    the suffix is another, where the file cannot be opened, is damaged or holds something else,
    has more than 2^30 pixels, or is .flo5 and h5py is missing.
    """
    path = Path(path)
    read = _of_suffix(_READERS, path, "read")
    with as_media_error(f"cannot read {path}", "it is damaged or of another kind"):
        return read(path)


def write_flow(path: Path | str, vectors: ArrayLike, valid: ArrayLike | None = None) -> None:
    """Write flow (H, W, 2) as .flo, .png, .npy or .npz, float32 or, in PNG, rounded to 1/64 pixel.

    `valid` (H, W) is false where it is unknown, as are vectors that are not finite or over 1e9;
    such pixels become 1e10 in .flo, 0 0 0 in PNG and NaN in .npy. `path` is whole or untouched.

    Raises MediaError where the suffix is another, the arrays have other shapes, a known vector lies
    outside of PNG's -512 to 511.98 pixels, or the file cannot be written.
    """
    path = Path(path)
    write = _of_suffix(_WRITERS, path, "written")
    flow = _flow(np.asarray(vectors), None if valid is None else np.asarray(valid), path)
    with atomic_write(path) as file:
        write(file, flow, path)


def _flow(vectors: NDArray[Any], valid: NDArray[Any] | None, path: Path) -> Flow:
    """The Flow of arrays of any real types, checked. Only vectors that are numbers stay valid."""
    shape = vectors.shape
    if len(shape) != 3 or shape[2] != 2 or not vectors.size or vectors.dtype.kind not in "fiu":
        raise MediaError(
            f"{path}: flow must be numbers (height, width, 2), not {vectors.dtype} {shape}"
        )
    if valid is not None and valid.shape != shape[:2]:
        raise MediaError(f"{path}: valid must be {shape[:2]} like the flow, not {valid.shape}")
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float32)
    known = (np.abs(vectors) <= _UNKNOWN).all(axis=2)
    if valid is not None:
        known &= valid.astype(bool)
    vectors[~known] = 0
    return Flow(vectors, known)


def _marked(flow: Flow, unknown: float) -> NDArray[np.float32]:
    return np.where(flow.valid[..., np.newaxis], flow.vectors, np.float32(unknown))


def _read_flo(path: Path) -> Flow:
    with path.open("rb") as file:
        magic, width, height = struct.unpack("<4sii", file.read(12))
        if magic != _FLO_MAGIC:
            raise MediaError(f"{path} is no Middlebury flow: it does not begin with PIEH")
        values = _floats(file, path, (height, width, 2), "<f4")
    return _flow(values, None, path)


def _write_flo(file: BinaryIO, flow: Flow, path: Path) -> None:
    height, width = flow.valid.shape
    file.write(struct.pack("<4sii", _FLO_MAGIC, width, height))
    file.write(_marked(flow, _WRITTEN_UNKNOWN).astype("<f4").tobytes())


def _read_pfm(path: Path) -> Flow:
    with path.open("rb") as file:
        kind, size, scale = (file.readline(100) for _ in range(3))
        if kind.strip() != b"PF":
            raise MediaError(f"{path} is no flow in PFM: it does not begin with PF")
        width, height = map(int, size.split())
        values = _floats(file, path, (height, width, 3), "<f4" if float(scale) < 0 else ">f4")
    return _flow(values[::-1, :, :2], None, path)


def _floats(file: BinaryIO, path: Path, shape: tuple[int, int, int], kind: str) -> NDArray[Any]:
    """The rest of the file, which has to be exactly an array of that shape."""
    start, end = file.tell(), file.seek(0, 2)
    _check_size(path, *shape[:2])
    if end - start != math.prod(shape) * 4:
        raise MediaError(
            f"{path} is damaged: {shape[1]} x {shape[0]} pixels need "
            f"{start + math.prod(shape) * 4} bytes, it has {end}"
        )
    file.seek(start)
    return np.frombuffer(file.read(), kind).reshape(shape)


def _read_png(path: Path) -> Flow:
    import av

    data = path.read_bytes()
    signature, width, height, depth, colour = struct.unpack(">8s8xIIBB", data[:26])
    if signature != b"\x89PNG\r\n\x1a\n":
        raise MediaError(f"{path} is no PNG")
    if (depth, colour) != (16, 2):
        raise MediaError(f"{path} is no flow as KITTI keeps it, which is 16-bit RGB")
    _check_size(path, height, width, 6 * width * height / len(data))
    decoder = av.CodecContext.create("png", "r")
    decoder.options = {"err_detect": "crccheck+explode"}
    frame, *_ = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    codes = frame.to_ndarray(format="rgb48be")
    vectors = (codes[..., :2].astype(np.float32) - _PNG_ZERO) / _PNG_STEPS
    return _flow(vectors, codes[..., 2], path)


def _write_png(file: BinaryIO, flow: Flow, path: Path) -> None:
    import av

    steps = np.rint(flow.vectors.astype(np.float64) * _PNG_STEPS) + _PNG_ZERO
    if steps.min() < 0 or steps.max() > 65535:
        largest = float(np.abs(flow.vectors).max())
        raise MediaError(
            f"cannot write {path}: PNG holds -512 to 511.98 pixels, the flow has {largest:.6g}; "
            "use .flo, .npy or .npz"
        )
    codes = np.dstack((steps.astype(np.uint16), flow.valid.astype(np.uint16)))
    codes[~flow.valid] = 0
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = flow.valid.shape
    encoder.pix_fmt, encoder.time_base = "rgb48be", Fraction(1)
    # A third of the default level's time, for a tenth more bytes.
    encoder.options = {"compression_level": "4", "pred": "up"}
    frame = av.VideoFrame.from_ndarray(codes, format="rgb48be")
    for packet in [*encoder.encode(frame), *encoder.encode(None)]:
        file.write(bytes(packet))


def _read_npy(path: Path) -> Flow:
    # Mapped first: that checks the length of the file before memory is taken.
    stored = np.lib.format.open_memmap(path, mode="r")
    if stored.ndim == 3:
        _check_size(path, *stored.shape[:2])
    return _flow(stored, None, path)


def _write_npy(file: BinaryIO, flow: Flow, path: Path) -> None:
    np.save(file, _marked(flow, math.nan))


def _read_npz(path: Path) -> Flow:
    # Each array is read piece by piece: what it states beyond its bytes takes no memory. Of a file
    # that is cut, numpy would leave open what it had opened itself.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        if "flow" not in arrays:
            raise MediaError(f"{path} holds no array named 'flow'")
        return _flow(arrays["flow"], arrays.get("valid"), path)


def _write_npz(file: BinaryIO, flow: Flow, path: Path) -> None:
    np.savez_compressed(file, flow=flow.vectors, valid=flow.valid)


def _read_flo5(path: Path) -> Flow:
    try:
        import h5py
    except ImportError:
        raise MediaError(
            f"cannot read {path}: .flo5 needs h5py: pip install 'flowcodec[bench]'"
        ) from None
    with h5py.File(path, "r") as file:
        if "flow" not in file:
            raise MediaError(f"{path} holds no data set named 'flow'")
        stored = file["flow"]
        if len(stored.shape) > 1:
            height, width = stored.shape[:2]
            packed = stored.nbytes / max(1, stored.id.get_storage_size())
            _check_size(path, height, width, packed)
        return _flow(stored[()], None, path)


def _check_size(path: Path, height: int, width: int, packed: float = 1) -> None:
    """Refuse impossible sizes before memory is taken; `packed` is bytes taken per byte stored."""
    if height <= 0 or width <= 0 or height * width > MAX_PIXELS:
        raise MediaError(
            f"{path} claims {width} x {height} pixels; from 1 to {MAX_PIXELS} are read"
        )
    if packed > _DEFLATE_RATIO:
        raise MediaError(f"{path} is damaged: too short for {width} x {height} pixels")


_READERS: dict[str, Callable[[Path], Flow]] = {
    ".flo": _read_flo,
    ".png": _read_png,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".pfm": _read_pfm,
    ".flo5": _read_flo5,
}
_WRITERS: dict[str, Callable[[BinaryIO, Flow, Path], None]] = {
    ".flo": _write_flo,
    ".png": _write_png,
    ".npy": _write_npy,
    ".npz": _write_npz,
}


def _of_suffix(table: dict[str, T], path: Path, done: str) -> T:
    try:
        return table[path.suffix.lower()]
    except KeyError:
        raise MediaError(
            f"{path}: flow can be {done} as {' '.join(table)}; the name has to end so"
        ) from None
