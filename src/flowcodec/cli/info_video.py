"""`flowcodec info` of a `.fcv` file: header, groups, and where its bytes went."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO

from flowcodec.bitstream.fields import read_psnr
from flowcodec.bitstream.header import VERSION
from flowcodec.bitstream.video_file import (
    FRAME_KINDS,
    UNFINISHED,
    Colour,
    Damage,
    Group,
    VideoHeader,
    describe_video_header,
    read_groups,
)
from flowcodec.bitstream.video_header import NO_MODEL
from flowcodec.cli.decibels import decibels, number
from flowcodec.codecs.systems import name_of
from flowcodec.media.names import printable

CHUNK = 2**20  # bytes
SHOWN = 12  # groups, at the most, in the text


@dataclass(frozen=True)
class Contents:
    """What was found in a file: bytes by part add up to `size`. damage: what is wrong with it;
    whole: it ends with its index. colour and ending: what its groups say beside their frames."""

    header: VideoHeader
    groups: list[dict[str, Any]]
    kinds: Counter[str]
    parts: dict[str, int]
    size: int
    damage: list[str]
    whole: bool
    colour: Colour | None
    ending: int | None


def read(stream: BinaryIO) -> Contents:
    """Read a file to its end, a group at a time; FormatError where its header cannot be read."""
    counted = _Counted(stream)
    damage: list[Damage] = []
    header, groups = read_groups(counted, damage.append)  # type: ignore[arg-type]
    listed, kinds, code = [], Counter[str](), Counter[str]()
    colour = ending = None
    for group in groups:
        colour, ending = group.colour or colour, group.ending
        for frame in group.frames:
            kinds[FRAME_KINDS[frame.type]] += 1
            code[FRAME_KINDS[frame.type]] += frame.code_bytes
        listed.append(_group(group))
    while counted.read(CHUNK):
        pass
    # Where bytes were lost, a group is shorter than it says.
    ends = [group["offset"] for group in listed[1:]] + [counted.total]
    length = sum(
        min(group["bytes"], end - group["offset"]) for group, end in zip(listed, ends, strict=False)
    )
    after = sum(counted.total - wrong.offset for wrong in damage if wrong.harmless)
    parts = {
        "intra frames": code["intra"],
        "inter frames": code["inter"],
        "framing": length - code.total(),
        "header and index": counted.total - length - after,
        "after the end": after,
    }
    told = [str(wrong) for wrong in damage if wrong.text != UNFINISHED and not wrong.harmless]
    whole = all(wrong.text != UNFINISHED for wrong in damage)
    return Contents(header, listed, kinds, parts, counted.total, told, whole, colour, ending)


def _group(group: Group) -> dict[str, Any]:
    found = group.header
    qualities = [frame.quality for frame in group.frames if hasattr(frame, "quality")]
    return {
        "number": found.number,
        "offset": group.offset,
        "bytes": group.length,
        "first": found.first,
        "frames": found.count,
        "start": found.start,
        "quality": qualities[0] / 1000 if qualities else None,  # its frames are all lost
        "psnr": number(read_psnr(found.psnr)),
    }


def as_json(file: str, found: Contents) -> dict[str, Any]:
    """Everything, for machines."""
    header = found.header
    frames = found.kinds.total()
    return {
        "file": file,
        "kind": "video",
        "version": VERSION,
        "model": name_of("picture", header.model),
        "prior_hash": header.prior_hash.hex(),
        "weights_hash": header.weights_hash.hex(),
        "inter_model": _inter_model(header),
        "inter_prior_hash": header.inter_prior_hash.hex(),
        "inter_weights_hash": header.inter_weights_hash.hex(),
        "width": header.width,
        "height": header.height,
        "sampling": header.sampling,
        "matrix": header.matrix,
        "full_range": header.full_range,
        "fps": float(header.fps),
        "aspect": str(header.aspect),
        "time_base": str(header.time_base),
        "primaries": found.colour and found.colour.primaries,
        "transfer": found.colour and found.colour.transfer,
        "ending": found.ending,
        "frames": frames,
        "kinds": dict(found.kinds),
        "groups": found.groups,
        "bytes": found.size,
        "bpp": _bpp(found),
        "parts": found.parts,
        "whole": found.whole,
        "damage": found.damage,
    }


def as_text(file: str, found: Contents) -> str:
    """The same for people, of the groups the first few."""
    frames = found.kinds.total()
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.kinds.most_common())
    fields = dict(describe_video_header(found.header))
    fields["model"] = name_of("picture", found.header.model)
    fields["inter_model"] = _inter_model(found.header)
    rows = [("kind", f"video, format version {VERSION}"), *fields.items()]
    if found.colour is not None:
        primaries, transfer = found.colour
        rows.append(("colour", f"primaries {primaries}, transfer {transfer} (ITU-T H.273)"))
    if found.ending is not None:
        seconds = float(found.ending * found.header.time_base)
        rows.append(("last frame", f"shown for {seconds:g} s"))
    rows += [
        ("frames", f"{frames} in {len(found.groups)} groups: {kinds or 'none'}"),
        ("file", f"{found.size} bytes, {_bpp(found):.4f} bits per pixel"),
    ]
    if not found.whole:
        rows.append(("state", "unfinished: its encoder ended before it wrote the index"))
    lines = [printable(file)] + [f"  {name:<20}{value}" for name, value in rows]
    lines += [
        f"    {part:<18}{count:>10} bytes {count / found.size:>7.2%}"
        for part, count in found.parts.items()
        if count or part != "after the end"
    ]
    lines.append("  group   from frame   frames      bytes   quality       psnr")
    for group in found.groups[:SHOWN]:
        psnr = decibels(group["psnr"])
        quality = "lost" if group["quality"] is None else f"{group['quality']:g}"
        lines.append(
            f"  {group['number']:>5}{group['first']:>13}{group['frames']:>9}{group['bytes']:>11}"
            f"{quality:>10}{psnr:>11}"
        )
    if len(found.groups) > SHOWN:
        lines.append(f"  ... and {len(found.groups) - SHOWN} more: --json lists all")
    return "\n".join(lines)


def _inter_model(header: VideoHeader) -> str:
    none = header.inter_model == NO_MODEL
    return "none" if none else name_of("inter", header.inter_model)


def _bpp(found: Contents) -> float:
    pixels = found.header.width * found.header.height * found.kinds.total()
    return found.size * 8 / pixels if pixels else 0.0


class _Counted:
    """A stream that knows how much of it was read."""

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        self.total = 0

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.total += len(data)
        return data
