"""`--raw` and `--fps`: what samples without a header, and frames without times, are, in words."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from flowcodec.media.video.format import Matrix, Sampling, VideoFormat

SHAPE = re.compile(r"(\d{1,7})x(\d{1,7}):(420|422|444|gray|rgb):(\d+(?:\.\d+|/\d+)?)((?::\w+)*)")
RATE = re.compile(r"\d{1,6}(?:\.\d{1,6}|/0*[1-9]\d{0,5})?")
MATRICES = ("bt601", "bt709", "bt2020")
WANTED = "write WxH:SAMPLING:FPS, such as 416x240:420:50 or 1920x1080:444:30000/1001:bt709:full"


class RawFormat(click.ParamType["VideoFormat"]):
    """WxH:SAMPLING:FPS, then if wanted the matrix and `full` for the full range of samples."""

    name = "WxH:SAMPLING:FPS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> VideoFormat:
        """The format; matrix and range as players take them where they are not named."""
        from dataclasses import replace

        from flowcodec.media.video.format import usual_format

        found = SHAPE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no format of raw planes; {WANTED}", param, ctx)
        width, height, sampling, fps, more = found.groups()
        words = more.split(":")[1:]
        matrices = [word for word in words if word in MATRICES]
        if len(matrices) > 1 or set(words) - {*MATRICES, "full"}:
            self.fail(f"{value!r}: after FPS stand {', '.join(MATRICES)} or full", param, ctx)
        if not int(width) or not int(height) or not Fraction(fps):
            self.fail(f"{value!r}: sides and FPS are above 0; {WANTED}", param, ctx)
        usual = usual_format(int(width), int(height), Fraction(fps), cast("Sampling", sampling))
        matrix = cast("Matrix", matrices[0]) if matrices else usual.matrix
        return replace(usual, matrix=matrix, full_range="full" in words)


class FrameRate(click.ParamType["Fraction"]):
    """Frames a second: 25, 29.97 or 30000/1001."""

    name = "FPS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        """The rate, above 0."""
        if RATE.fullmatch(str(value)) is None or not (rate := Fraction(str(value))):
            self.fail(f"{value!r} is no rate; write 25, 29.97 or 30000/1001", param, ctx)
        return rate
