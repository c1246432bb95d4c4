"""`python -m benchmarks.resident encode|decode SOURCE TARGET`: memory while a video is coded.

Codes a video to a file, or decodes such a file, and prints as JSON, by the number of frames done,
the bytes that are resident then and the most that were until then. A process of its own, so that
nothing else counts.
"""

from __future__ import annotations

import json
import re
import resource
from pathlib import Path
from typing import Literal

import click
import psutil

import flowcodec
from flowcodec.bitstream.video_file import read_groups
from flowcodec.codecs.video import VideoCodec, source_of
from flowcodec.media.video import open_video
from flowcodec.media.video.writing import create_video


@click.command()
@click.argument("what", type=click.Choice(["encode", "decode"]))
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--gop", default=12, show_default=True, help="Of what is encoded.")
@click.option("--threads", default=2, show_default=True)
@click.option("--weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--after", type=int, multiple=True, help="Frames, once or more.")
def main(
    what: Literal["encode", "decode"],
    source: Path,
    target: Path,
    gop: int,
    threads: int,
    weights: Path | None,
    after: tuple[int, ...],
) -> None:
    """Do it and print what was found."""
    codec = flowcodec.load("video-mofnet", weights=weights, threads=threads)
    watch = Watch(after)
    if what == "encode":
        encode(codec, source, target, gop, watch)
    else:
        decode(codec, source, target, watch)
    print(json.dumps(watch.found))


class Watch:
    """Counts frames, and looks at the memory after some of them."""

    def __init__(self, after: tuple[int, ...]):
        self.after, self.done = after, 0
        self.found: dict[int, dict[str, int]] = {}

    def __call__(self) -> None:
        """One more frame is done."""
        self.done += 1
        if self.done in self.after:
            self.found[self.done] = {
                "resident_bytes": psutil.Process().memory_info().rss,
                "peak_bytes": peak(),
            }


def peak() -> int:
    """Bytes of this process at most so far.

    Linux passes `ru_maxrss` on to a process from the one that starts it, but not what /proc says.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes there


def encode(codec: VideoCodec, source: Path, target: Path, gop: int, watch: Watch) -> None:
    """A video that ffmpeg reads, to a file."""
    with open_video(source) as video, target.open("wb") as stream:
        codec.write(video.timed, video.format, stream, gop=gop, on_frame=watch)


def decode(codec: VideoCodec, source: Path, target: Path, watch: Watch) -> None:
    """A file, to a video."""
    with source.open("rb") as stream:
        header, groups = read_groups(stream)
        with create_video(target, source_of(header)) as video:
            for group in groups:
                for tick, frame in codec.decode(header, group):
                    video.write(frame, tick)
                    watch()


if __name__ == "__main__":
    main()
