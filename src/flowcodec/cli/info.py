"""`flowcodec info`: what a file's header says and where its bytes went, without decoding it."""

import json
from collections import Counter
from typing import Any

import click

from flowcodec.bitstream.fields import file_kind, read_psnr
from flowcodec.bitstream.header import (
    TILE_STEP,
    VERSION,
    describe_header,
)
from flowcodec.bitstream.picture_file import PictureFile, parse_picture
from flowcodec.cli import info_video
from flowcodec.cli.decibels import number
from flowcodec.cli.main import USER_ERROR, complain, one_line
from flowcodec.cli.sources import head_of, open_source
from flowcodec.cli.streams import standard_output, warn
from flowcodec.codecs.systems import name_of
from flowcodec.errors import FlowcodecError, FormatError
from flowcodec.media.names import printable


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object a file.")
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Show header, metadata and bytes per part of .fci and .fcv files ("-": standard input)."""
    standard_output()  # what is printed is all that this command does
    described: list[Any] = []
    failed = False
    for file in files:
        try:
            told, damage = _described(file, as_json)
            described.append(told)
        except (FlowcodecError, OSError) as error:
            failed = True
            complain(error)
            if as_json:
                described.append({"file": file, "error": one_line(error)})
        else:
            failed = failed or bool(damage)
            for wrong in damage:
                warn(file, wrong)
    if as_json:
        click.echo(json.dumps(described, indent=2))
    elif described:
        click.echo("\n\n".join(described))
    if failed:
        click.get_current_context().exit(USER_ERROR)


def _described(file: str, as_json: bool) -> tuple[Any, list[str]]:
    """What is to be said of a file, as an object or as text, and what of it is damaged."""
    try:
        video = file_kind(head_of(file)) == "video"
        with open_source(file) as stream:
            if video:
                found = info_video.read(stream)
                told = (info_video.as_json if as_json else info_video.as_text)(file, found)
                return told, found.damage
            picture = parse_picture(stream.read())
        return (_as_json if as_json else _as_text)(file, picture), []
    except FormatError as error:
        raise FormatError(f"{file}: {error}") from error


def _as_json(file: str, picture: PictureFile) -> dict[str, Any]:
    header = picture.header
    size = sum(picture.parts.values())
    return {
        "file": file,
        "kind": "picture",
        "version": VERSION,
        "model": name_of("picture", header.model),
        "prior_hash": header.prior_hash.hex(),
        "weights_hash": header.weights_hash.hex(),
        "width": header.width,
        "height": header.height,
        "gray": header.gray,
        "alpha": header.alpha,
        "quality": header.quality / 1000,
        "psnr": number(read_psnr(header.psnr)),
        "tile": header.tile * TILE_STEP,
        "tiles": [
            {
                "kind": tile.kind,
                "offset": tile.offset,
                "bytes": len(tile.data),
                "hash": f"{tile.hash:08x}",
            }
            for tile in picture.tiles
        ],
        "bytes": size,
        "bpp": _bpp(picture, size),
        "parts": picture.parts,
    }


def _as_text(file: str, picture: PictureFile) -> str:
    header = picture.header
    size = sum(picture.parts.values())
    fields = {**dict(describe_header(header)), "model": name_of("picture", header.model)}
    rows = [("kind", f"picture, format version {VERSION}"), *fields.items()]
    rows += [
        ("grid", f"{header.tile_columns} x {header.tile_rows} tiles: {_kinds(picture)}"),
        ("metadata", _metadata(picture)),
        ("file", f"{size} bytes, {_bpp(picture, size):.4f} bits per pixel"),
    ]
    lines = [printable(file)] + [f"  {name:<14}{value}" for name, value in rows]
    lines += [
        f"    {part:<16}{count:>10} bytes {count / size:>7.2%}"
        for part, count in picture.parts.items()
        if count
    ]
    return "\n".join(lines)


def _kinds(picture: PictureFile) -> str:
    counts = Counter(tile.kind for tile in picture.tiles)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


def _metadata(picture: PictureFile) -> str:
    names = {"ICC profile": picture.icc, "EXIF": picture.exif, "XMP": picture.xmp}
    found = [f"{name} ({len(data)} bytes)" for name, data in names.items() if data is not None]
    return ", ".join(found) or "none"


def _bpp(picture: PictureFile, size: int) -> float:
    return size * 8 / (picture.header.width * picture.header.height)
