"""Coding a video so that its file comes to a size: a sample first, then the whole, or twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from flowcodec.codecs.groups import Coders
from flowcodec.codecs.pace import HIGHEST, NEAR, Aim, Pace
from flowcodec.codecs.plan import DEFAULT_GOP
from flowcodec.codecs.protocols import Frame
from flowcodec.codecs.video import EncodedVideo, VideoCodec
from flowcodec.media.video.format import Video

SAMPLES, SAMPLED = 3, 6  # stretches of a video, and frames of each, that tell how size goes

Opening = Callable[[], AbstractContextManager[Video]]


@dataclass(frozen=True)
class Reached:
    """The coding that was taken, the most bytes it might have, and whether it is short of them
    because no quality takes more."""

    coded: EncodedVideo
    limit: int
    short: bool


def reach_video_size(
    codec: VideoCodec,
    opened: Opening,
    code: Callable[[Pace], EncodedVideo],
    *,
    size: int | None = None,
    bpp: float = 0.0,
    gop: int = DEFAULT_GOP,
    crew: Coders | None = None,
) -> Reached:
    """Code a video until its file has at most `size` bytes, or `bpp` bits a pixel, and is near.

    opened: opens the video, which is read more than once. code: codes it from its beginning (by
    `VideoCodec.write` in groups of `gop`) in place of what was coded before. crew: of
    `VideoCodec.coders`, for the sample. UsageError where no quality is low enough.
    """
    with opened() as video:
        count = sum(1 for _ in video.timed)
        pixels = video.width * video.height
    limit = size or max(1, math.floor(bpp * pixels * count / 8))
    with opened() as video:
        sample = stretches(video, count, min(SAMPLED, gop))
    aim = Aim.of(lambda quality: codec.sizes(sample, quality, crew), limit, count, gop)
    while True:
        pace = aim.pace()
        coded = code(pace)
        if aim.takes(coded.bytes, pace):
            short = pace.always(HIGHEST) and coded.bytes < NEAR * limit
            return Reached(coded, limit, short)


def stretches(video: Video, count: int, length: int) -> Sequence[Sequence[Frame]]:
    """Frames in a row, from a few places of a video of `count` frames."""
    found: dict[int, list[Frame]] = {count * part // SAMPLES: [] for part in range(SAMPLES)}
    for number, frame in enumerate(video.frames):
        for start, frames in found.items():
            if start <= number < start + length:
                frames.append(frame)
    return list(found.values())
