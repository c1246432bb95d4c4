"""Learned picture compression with real files.

    import flowcodec

    codec = flowcodec.load()
    encoded = codec.encode(flowcodec.read_picture("photo.png"), quality=4)
    picture = codec.decode(encoded.data)

Importing this package imports neither torch nor numpy: `load` and the picture functions fetch their
modules when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flowcodec.errors import FlowcodecError, FormatError, MediaError, UsageError, WeightsError

if TYPE_CHECKING:
    from flowcodec.codecs.loading import load
    from flowcodec.media.picture import Picture, read_picture, write_picture

__version__ = "0.1.0"

__all__ = [
    "FlowcodecError",
    "FormatError",
    "MediaError",
    "Picture",
    "UsageError",
    "WeightsError",
    "__version__",
    "load",
    "read_picture",
    "write_picture",
]

_HOME = {
    "Picture": "flowcodec.media.picture",
    "load": "flowcodec.codecs.loading",
    "read_picture": "flowcodec.media.picture",
    "write_picture": "flowcodec.media.picture",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
