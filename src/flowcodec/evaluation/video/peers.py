"""Video codecs that can be run here: H.265, H.264, AV1, VP9 and VVC, by way of PyAV.

PyAV only decodes VVC; it is coded by the ffmpeg of the package imageio-ffmpeg.

Each is given 4:2:0 planes and a quality on its own scale, lower is better. What is counted is the
whole elementary stream, as its raw file has it; what is measured is decoded from those bytes.
"""

import io
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from av.codec import codecs_available
from av.video.format import VideoFormat as PixelFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.evaluation.video.sequences import Sequence420
from flowcodec.media.video.format import (
    LEFT,
    MATRIX_TAGS,
    Frame,
    arrays_of,
    planes_of,
    to_rgb,
    with_samples,
)

if TYPE_CHECKING:
    from av.video.stream import VideoStream

IVF_HEADER, IVF_FRAME = 32, 12  # bytes of a file and a frame that are no part of the stream


@dataclass(frozen=True)
class VideoPeer:
    """A codec as it is run: `options` for a quality and a length of group, and the sweep.

    outside: coded by the ffmpeg of imageio-ffmpeg.
    """

    name: str
    title: str
    codec: str
    container: str
    sweep: tuple[int, ...]
    settings: str
    options: Callable[[int, int], dict[str, str]]
    outside: bool = False

    @property
    def description(self) -> str:
        """Library and settings, for a table of results."""
        library = f"PyAV {av.__version__}"
        if self.outside:
            library = f"imageio-ffmpeg {version('imageio-ffmpeg')}"
        return f"{self.codec} of {library}; {self.settings}"


def _x265(preset: str, tune: str | None) -> Callable[[int, int], dict[str, str]]:
    def options(quality: int, gop: int) -> dict[str, str]:
        params = f"crf={quality}:keyint={gop}:min-keyint={gop}:scenecut=0:info=0:log-level=none"
        return {"preset": preset, "x265-params": params} | ({"tune": tune} if tune else {})

    return options


def _x264(quality: int, gop: int) -> dict[str, str]:
    params = f"keyint={gop}:min-keyint={gop}:scenecut=0"
    return {
        "preset": "veryfast",
        "tune": "zerolatency",
        "crf": str(quality),
        "x264-params": params,
    }


def _svt_av1(quality: int, gop: int) -> dict[str, str]:
    return {"preset": "6", "crf": str(quality), "svtav1-params": f"keyint={gop}:scd=0"}


def _vp9(quality: int, gop: int) -> dict[str, str]:
    return {
        "crf": str(quality),
        "b": "0",
        "g": str(gop),
        "deadline": "good",
        "cpu-used": "2",
        "row-mt": "1",
    }


def _vvenc(quality: int, gop: int) -> dict[str, str]:
    # Not gopsize as well: with 16 beside periods of 12, VVenC 1.15 often gives nothing at all.
    params = f"intraperiod={gop}"
    return {"preset": "faster", "qp": str(quality), "qpa": "0", "vvenc-params": params}


_X265 = "x265-params crf=Q:keyint=GOP:min-keyint=GOP:scenecut=0:info=0"
PEERS = {
    peer.name: peer
    for peer in (
        VideoPeer(
            "x265-veryfast",
            "H.265 veryfast zerolatency",
            "libx265",
            "hevc",
            (18, 22, 26, 30, 34, 38, 42),
            f"preset veryfast, tune zerolatency, {_X265}",
            _x265("veryfast", "zerolatency"),
        ),
        VideoPeer(
            "x264-veryfast",
            "H.264 veryfast zerolatency",
            "libx264",
            "h264",
            (16, 20, 24, 28, 32, 36, 40),
            "preset veryfast, tune zerolatency, crf Q, x264-params keyint=GOP:scenecut=0",
            _x264,
        ),
        VideoPeer(
            "x265-medium",
            "H.265 medium",
            "libx265",
            "hevc",
            (18, 22, 26, 30, 34, 38, 42),
            f"preset medium, {_X265}",
            _x265("medium", None),
        ),
        VideoPeer(
            "x265-veryslow",
            "H.265 veryslow",
            "libx265",
            "hevc",
            (18, 22, 26, 30, 34, 38, 42),
            f"preset veryslow, {_X265}",
            _x265("veryslow", None),
        ),
        VideoPeer(
            "svt-av1",
            "AV1 (SVT, preset 6)",
            "libsvtav1",
            "obu",
            (20, 28, 36, 44, 52, 60),
            "preset 6, crf Q, svtav1-params keyint=GOP:scd=0",
            _svt_av1,
        ),
        VideoPeer(
            "vp9",
            "VP9 good",
            "libvpx-vp9",
            "ivf",
            (20, 28, 36, 44, 52, 60),
            "deadline good, cpu-used 2, crf Q, g GOP; container's bytes not counted",
            _vp9,
        ),
        VideoPeer(
            "vvenc-faster",
            "VVC (VVenC, faster)",
            "libvvenc",
            "vvc",
            (20, 25, 30, 35, 40, 45),
            "preset faster, qp Q, qpa 0, vvenc-params intraperiod=GOP; 10 bits, rounded",
            _vvenc,
            outside=True,
        ),
    )
}


def peers_named(names: Sequence[str]) -> list[VideoPeer]:
    """Peers by name; UsageError for an unknown one, or where its library is absent."""
    found = []
    for name in names:
        if name not in PEERS:
            raise UsageError(f"no codec {name!r} to compare with: choose from {', '.join(PEERS)}")
        peer = PEERS[name]
        if peer.outside and find_spec("imageio_ffmpeg") is None:
            raise UsageError(f"{name} needs imageio-ffmpeg: pip install 'flowcodec[vvc]'")
        if not peer.outside and peer.codec not in codecs_available:
            raise UsageError(f"this PyAV was built without {peer.codec}: install a wheel with it")
        found.append(peer)
    return found


def encode(peer: VideoPeer, sequence: Sequence420, quality: int, gop: int) -> bytes:
    """The elementary stream as a raw file."""
    options = peer.options(quality, gop)
    if peer.outside:
        return _encode_outside(peer, sequence, options)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=peer.container) as container:
        first = sequence.planes[0]
        rate = Fraction(sequence.format.fps).limit_denominator(1001)
        stream = cast("VideoStream", container.add_stream(peer.codec, rate=rate, options=options))
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        for number, frame in enumerate(sequence.planes):
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _encode_outside(peer: VideoPeer, sequence: Sequence420, options: dict[str, str]) -> bytes:
    """As `encode`, by another ffmpeg, whose VVC takes 10 bits."""
    from imageio_ffmpeg import get_ffmpeg_exe

    first = sequence.planes[0]
    rate = Fraction(sequence.format.fps).limit_denominator(1001)
    given = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{first.width}x{first.height}"]
    words = [word for key, value in options.items() for word in (f"-{key}", value)]
    taken = ["-vf", "format=yuv420p10le", "-c:v", peer.codec, *words, "-f", peer.container, "-"]
    run = subprocess.run(
        [get_ffmpeg_exe(), "-v", "error", *given, "-r", str(rate), "-i", "-", *taken],
        input=b"".join(planes_of(frame) for frame in sequence.planes),
        capture_output=True,
        check=False,
    )
    if run.returncode or not run.stdout:
        said = run.stderr.decode().strip() or "it wrote nothing"
        raise FlowcodecError(f"{peer.name} failed on {sequence.name}: {said}")
    return run.stdout


def stream_bytes(peer: VideoPeer, data: bytes, frames: int) -> int:
    """How many of a raw file's bytes are the stream's."""
    return len(data) - (IVF_HEADER + IVF_FRAME * frames if peer.container == "ivf" else 0)


def decode(peer: VideoPeer, data: bytes) -> list[VideoFrame]:
    """The frames of a raw file, as planes."""
    with av.open(io.BytesIO(data), "r", format=peer.container) as container:
        # Without a word of its own on where chroma lies, a stream means the left side.
        container.streams.video[0].codec_context.options = dict(LEFT)
        return [_of_8_bits(frame) for frame in container.decode(video=0)]


def _of_8_bits(frame: VideoFrame) -> VideoFrame:
    """Planes of 10 bits rounded to 8, others as they are."""
    if frame.format.name != "yuv420p10le":
        return frame
    planes = (np.minimum((plane + 2) >> 2, 255).astype(np.uint8) for plane in arrays_of(frame))
    data = b"".join(plane.tobytes() for plane in planes)
    return with_samples(data, PixelFormat("yuv420p", frame.width, frame.height))


def shown(sequence: Sequence420, planes: VideoFrame, converter: VideoReformatter) -> Frame:
    """Decoded planes as RGB, in the colours of the sequence."""
    planes.colorspace = MATRIX_TAGS[sequence.format.matrix]
    full = sequence.format.full_range
    planes.color_range = ColorRange.JPEG if full else ColorRange.MPEG
    pixels = to_rgb(planes, sequence.format.matrix, converter)
    return pixels[: sequence.format.height, : sequence.format.width]
