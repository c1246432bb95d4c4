"""The header of a `.fcv` file; `VIDEO_FIELDS` is its table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flowcodec.bitstream.fields import (
    HASH,
    HASH_BYTES,
    RATIO,
    START_BYTES,
    U8,
    Field,
    cannot_write,
    describe_fields,
    pack_fields,
    pack_start,
    read_fields,
    read_start,
)
from flowcodec.bitstream.header import (
    HEIGHT,
    MODEL,
    PRIOR_HASH,
    UNIT,
    WEIGHTS_HASH,
    WIDTH,
    PictureHeader,
)
from flowcodec.bitstream.numbers import Reader
from flowcodec.errors import FormatError

VIDEO_KIND = 2
NO_MODEL = 0
NO_HASH = bytes(HASH_BYTES)

SAMPLINGS = {0: "rgb", 1: "gray", 2: "420", 3: "422", 4: "444"}
MATRICES = {1: "bt601", 2: "bt709", 3: "bt2020"}
RANGES = {0: "limited", 1: "full"}

MAX_HEADER_BYTES = 70


@dataclass(frozen=True)
class VideoHeader:
    """What a `.fcv` file says before its groups; ranges stand in `VIDEO_FIELDS`.

    `model` codes the frames that stand alone, `inter_model` those that follow others (0: there are
    none of them, and its hashes are zero). Hashes are the first 4 bytes of the SHA-256 of a model's
    integer prior and of all its weights. `width` and `height` are of the upright frame in pixels.

    The rest says what the video was before it became RGB, for whoever writes it again: `sampling`
    "rgb", "gray", "420", "422" or "444", `matrix` "bt601", "bt709" or "bt2020" (of YCbCr), whether
    samples fill the full range, frames a second, seconds of one tick of the frames' times, and
    width by height of one pixel.
    """

    model: int
    prior_hash: bytes
    weights_hash: bytes
    width: int
    height: int
    sampling: str
    matrix: str
    full_range: bool
    fps: Fraction
    time_base: Fraction
    aspect: Fraction = Fraction(1)
    inter_model: int = NO_MODEL
    inter_prior_hash: bytes = NO_HASH
    inter_weights_hash: bytes = NO_HASH

    def picture(self, quality: int) -> PictureHeader:
        """The header that a frame coded alone would have as a picture, its PSNR not known (0)."""
        return PictureHeader(
            model=self.model,
            prior_hash=self.prior_hash,
            weights_hash=self.weights_hash,
            width=self.width,
            height=self.height,
            gray=False,
            alpha=False,
            quality=quality,
            psnr=0,
        )


def _show_ratio(unit: str) -> Callable[[tuple[int, int]], str]:
    return lambda ratio: f"{Fraction(*ratio)}{unit}"


VIDEO_FIELDS = (
    MODEL,
    PRIOR_HASH,
    WEIGHTS_HASH,
    Field(
        "inter_model",
        U8,
        range(2**8),
        "code of the model of inter frames; 0: there are none",
    ),
    Field("inter_prior_hash", HASH, None, "as `prior_hash`, of that model", bytes.hex),
    Field("inter_weights_hash", HASH, None, "as `weights_hash`, of that model", bytes.hex),
    WIDTH,
    HEIGHT,
    Field(
        "sampling",
        U8,
        tuple(SAMPLINGS),
        "of the source: RGB, gray, YCbCr 4:2:0, 4:2:2, 4:4:4",
        SAMPLINGS.__getitem__,
    ),
    Field(
        "matrix",
        U8,
        tuple(MATRICES),
        "of YCbCr in the source: BT.601, BT.709, BT.2020",
        MATRICES.__getitem__,
    ),
    Field(
        "range", U8, tuple(RANGES), "of samples in the source: limited, full", RANGES.__getitem__
    ),
    Field("fps", RATIO, None, "frames a second", _show_ratio(" frames a second")),
    Field("aspect", RATIO, None, "width of a pixel by its height", _show_ratio("")),
    Field("time_base", RATIO, None, "seconds of a tick", _show_ratio(" s")),
)


def pack_video_header(header: VideoHeader) -> bytes:
    """The header's bytes, checksum included; UsageError names a field outside its range."""
    data = pack_fields("the header", pack_start(VIDEO_KIND), VIDEO_FIELDS, _values(header))
    if trouble := _inter_trouble(header):
        raise cannot_write("the header", trouble)
    return data


def parse_video_header(data: bytes) -> tuple[VideoHeader, int]:
    """The header at the front of `data` and its size in bytes, at most MAX_HEADER_BYTES.

    FormatError if `data` is no flowcodec video, of another version or damaged.
    """
    reader = Reader(data, 0, UNIT)
    read_start(reader, VIDEO_KIND)
    values, offsets = read_fields(reader, VIDEO_FIELDS)
    values["sampling"] = SAMPLINGS[values["sampling"]]
    values["matrix"] = MATRICES[values["matrix"]]
    values["full_range"] = bool(values.pop("range"))
    for name in ("fps", "aspect", "time_base"):
        values[name] = Fraction(*values[name])
    header = VideoHeader(**values)
    if trouble := _inter_trouble(header):
        raise reader.error(trouble, offsets["inter_model"])
    return header, reader.offset


def mended_header(data: bytes) -> tuple[bytes, int] | None:
    """`data` with one byte of its damaged header made right, and the place of that byte.

    All groups of a file are bound to its header, so this one byte would cost them all. The
    checksum, compared with every value that any byte might have had, leaves one. None where more
    than a byte is wrong.
    """
    for offset in _suspects(data):
        changed = bytearray(data)
        for value in range(256):
            changed[offset] = value
            try:
                parse_video_header(bytes(changed))
            except FormatError:
                continue
            return bytes(changed), offset
    return None


def describe_video_header(header: VideoHeader) -> list[tuple[str, str]]:
    """Name and value of each field, for people, in the order of the file."""
    return describe_fields(VIDEO_FIELDS, _values(header))


def _suspects(data: bytes) -> Iterator[int]:
    """Places of bytes that may be the only wrong one."""
    start = pack_start(VIDEO_KIND)
    wrong = [place for place in range(START_BYTES) if data[place : place + 1] != start[place:][:1]]
    if not wrong:
        yield from range(START_BYTES, len(data))
    elif len(wrong) == 1 and len(data) > START_BYTES:
        yield from wrong


def _values(header: VideoHeader) -> dict[str, Any]:
    return vars(header) | {
        "sampling": _code(SAMPLINGS, header.sampling),
        "matrix": _code(MATRICES, header.matrix),
        "range": int(header.full_range),
        "fps": header.fps.as_integer_ratio(),
        "aspect": header.aspect.as_integer_ratio(),
        "time_base": header.time_base.as_integer_ratio(),
    }


def _code(names: Mapping[int, str], name: str) -> int | str:
    """The code of a name; a name without one is left for the table to refuse."""
    return next((code for code, known in names.items() if known == name), name)


def _inter_trouble(header: VideoHeader) -> str | None:
    hashes = (header.inter_prior_hash, header.inter_weights_hash)
    if header.inter_model == NO_MODEL and hashes != (NO_HASH, NO_HASH):
        return "inter_model is 0 (none), but its hashes are not zero"
    return None
