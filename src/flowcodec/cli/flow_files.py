"""What `flowcodec flow` reads and writes: pairs of frames, and the files that they become."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flowcodec.cli.sources import readable
from flowcodec.cli.streams import PIPE, check_standard_output, standard_output
from flowcodec.errors import UsageError
from flowcodec.media.formats import SUFFIXES
from flowcodec.media.outputs import check_folder, check_output, plain_file

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

    from flowcodec.media.video.format import Found, VideoFormat
    from flowcodec.media.video.writing import VideoWriter

    Pixels = NDArray[np.uint8]  # (H, W, 3) RGB, or (H, W, 1) for masks
    Vectors = NDArray[np.float32]  # (H, W, 2)

FORMATS = {
    ".flo": "Middlebury .flo",
    ".png": "16-bit KITTI PNG",
    ".npy": "NumPy array",
    ".npz": "compressed NumPy arrays",
}
VIDEOS = (".mp4", ".mkv")
OTHER_VIDEOS = (".avi", ".gif", ".m4v", ".mov", ".mpg", ".ts", ".webm", ".y4m")
FORWARD, BACKWARD, OCCLUDED = "", "backward", "occluded"  # the layers: what a pair becomes


@dataclass(frozen=True, eq=False)
class Pair:
    """Two frames, and what to call them: their numbers in a video, or their files. When the first
    is shown in the video, in ticks, and how much later the second."""

    names: tuple[int, int] | tuple[str, str]
    first: Pixels
    second: Pixels
    tick: int = 0
    duration: int = 1


@dataclass(frozen=True, eq=False)
class Source:
    """Pairs to estimate, `count` of them as far as is known.

    look: how a video of them is to be: its size, rate, times, and shape of pixels. found: what is
    to be told of the source, complete when the pairs have been walked.
    """

    name: str
    look: VideoFormat
    count: int | None
    pairs: Iterator[Pair]
    found: Found


def two_pictures(first: str, second: str) -> Source:
    """Two picture files as a pair. Gray becomes RGB, alpha is left out."""
    from fractions import Fraction

    import numpy as np

    from flowcodec.media.picture import read_picture
    from flowcodec.media.video.format import Found, usual_format

    with readable(first) as opened, readable(second) as opened_too:
        a, b = read_picture(opened), read_picture(opened_too)
    if (a.width, a.height) != (b.width, b.height):
        raise UsageError(
            f"{first} is {a.width}x{a.height}, {second} is {b.width}x{b.height}: "
            "flow needs two pictures of one size"
        )
    one, other = (np.broadcast_to(x.pixels, (x.height, x.width, 3)).copy() for x in (a, b))
    pair = Pair((first, second), one, other)
    look = usual_format(a.width, a.height, Fraction(1), "444")
    return Source(first, look, 1, iter([pair]), Found())


@contextmanager
def frames_of_video(
    name: str, stride: int, stream: int | None = None, fps: Fraction | None = None
) -> Iterator[Source]:
    """Each `stride`-th frame of a video, a folder of pictures or "-" with the next such one."""
    from dataclasses import replace

    from flowcodec.media.video import open_video
    from flowcodec.media.video.format import usual_format

    def pairs(timed: Iterator[tuple[int, Pixels]]) -> Iterator[Pair]:
        tick, first = next(timed)
        for number, (later, frame) in enumerate(timed, 1):
            if number % stride == 0:
                yield Pair((number - stride, number), first, frame, tick, later - tick)
                tick, first = later, frame

    with readable(name) as opened, open_video(opened, stream=stream, fps=fps) as video:
        count = None if video.count is None else max(0, (video.count - 1) // stride)
        look = usual_format(video.width, video.height, video.fps / stride, "444")
        format = video.format
        look = replace(look, time_base=format.time_base, aspect=format.aspect)
        yield Source(video.name, look, count, pairs(video.timed), video.found)


# Writes a layer of a pair and returns the name of the file.
Put = Callable[[str, Pair, "Pixels | Vectors"], str]


@dataclass(frozen=True)
class Target:
    """Where results go.

    kind: "file" for the one of two pictures, "folder" for one a pair, "video", which may be "-".
    view: what is drawn, None where the vectors are written. suffix: of the files that hold either.
    """

    output: str
    kind: Literal["file", "folder", "video"]
    view: str | None
    suffix: str

    @property
    def what(self) -> str:
        """What the files hold, for people."""
        return self.view or FORMATS[self.suffix.lower()]

    @property
    def pipe(self) -> bool:
        """Whether frames go straight to where no second file can lie beside them."""
        return self.kind == "video" and not self.suffix

    def path(self, layer: str, number: int | str = 0) -> Path:
        """The file of a layer: out-backward.flo beside out.flo, or backward/000007.flo."""
        suffix = ".png" if layer == OCCLUDED and self.kind != "video" else self.suffix
        if self.kind == "folder":
            return Path(self.output) / layer / f"{number:06}{suffix}"
        path = Path(self.output)
        return path.with_name(f"{path.stem}-{layer}{suffix}") if layer else path

    def check(self, inputs: Sequence[str], layers: Sequence[str]) -> None:
        """UsageError where a layer would overwrite an input or finds no room in a pipe; MediaError
        where it cannot be written."""
        if self.pipe and len(layers) > 1:
            name = "standard output" if self.output == PIPE else self.output
            raise UsageError(
                f"{name} takes one video; for --backward and --consistency give a file"
            )
        if self.output == PIPE:
            check_standard_output("a video")
            return
        sources = {Path(name).resolve() for name in inputs if name != PIPE}
        for layer in layers:
            path = self.path(layer)
            taken = path.parent if self.kind == "folder" else path
            if taken.resolve() in sources:
                raise UsageError(f"{taken} is an input and would be overwritten; give another -o")
            if self.kind == "folder":
                check_folder(taken)
            else:
                check_output(path, makes_folders=True)

    @contextmanager
    def open(self, source: Source) -> Iterator[Put]:
        """The function that writes. Files are whole or absent; videos are whole after the block."""
        if self.kind != "video":
            yield lambda layer, pair, content: _save(self.path(layer, pair.names[0]), content)
            return

        import numpy as np

        from flowcodec.media.video.writing import create_video

        writers: dict[str, VideoWriter] = {}
        with ExitStack() as stack:

            def put(layer: str, pair: Pair, content: Pixels | Vectors) -> str:
                path = self.path(layer)
                if layer not in writers:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    file = standard_output() if self.output == PIPE else path
                    video = create_video(file, source.look)
                    writers[layer] = stack.enter_context(video)
                drawn: Any = np.broadcast_to(content, (*content.shape[:2], 3))
                writers[layer].write(drawn, pair.tick, pair.duration)
                return str(path)

            yield put
        for note in writers[FORWARD].notes if writers else ():
            source.found.note(note)


def target_of(output: str, two: bool, view: str | None, format_: str | None) -> Target:
    """What the user means by OUT; UsageError where it does not suit the other options.

    two: it is for two pictures, not for a video. format_: how a folder holds flow.
    """
    suffix = Path(output).suffix.lower()
    is_folder = output.endswith(os.sep) or Path(output).is_dir()
    through = output == PIPE or (not suffix and plain_file(output) is None)
    as_video = through or (suffix in VIDEOS and not is_folder)
    if format_ is not None and (two or as_video or view):
        raise UsageError("--format says how a folder holds flow; leave it out here")
    if two:
        if is_folder or suffix not in (*FORMATS, *SUFFIXES):
            raise UsageError(
                f"two pictures become a file: end -o in {' '.join(FORMATS)}, or with --view as a "
                f"picture's name ends, not as {output}"
            )
        if view is None and suffix not in FORMATS:
            raise UsageError(
                f"{output}: flow is kept as {' '.join(FORMATS)}; for a picture of it add "
                "--view colors"
            )
        if view is not None and suffix not in SUFFIXES:
            raise UsageError(f"{output} holds flow, no picture: leave out --view or name a .png")
        return Target(output, "file", view, Path(output).suffix)
    if as_video:
        return Target(output, "video", view or "colors", Path(output).suffix)
    named = suffix in (*FORMATS, *SUFFIXES, *OTHER_VIDEOS) and not is_folder
    if Path(output).is_file() or named:
        raise UsageError(
            f"{output} is a file's name: give a folder for the flow of a video, or a .mp4 or .mkv "
            "file to look at it"
        )
    return Target(output, "folder", view, ".png" if view else f".{format_ or 'flo'}")


def _save(path: Path, content: Pixels | Vectors) -> str:
    import numpy as np

    from flowcodec.media.flow import write_flow
    from flowcodec.media.picture import Picture, write_picture

    path.parent.mkdir(parents=True, exist_ok=True)
    if content.shape[2] == 2:
        write_flow(path, content)
    else:
        write_picture(Picture(np.asarray(content, np.uint8)), path)
    return str(path)
