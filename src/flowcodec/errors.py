"""Every error that flowcodec raises on purpose.

    FlowcodecError
    ├── UsageError     the call or the command line asks for something impossible
    ├── MediaError     a picture cannot be read or written
    ├── FormatError    a flowcodec file is damaged, truncated or of an unknown version
    └── WeightsError   weights are missing, damaged, or not those that a file names

The command prints the message as one line and exits with status 2.
"""


class FlowcodecError(Exception):
    """Base of the family: the message says what, where and what to do."""


class UsageError(FlowcodecError):
    """The call or the command line asks for something impossible."""


class MediaError(FlowcodecError):
    """A picture cannot be read or written."""


class FormatError(FlowcodecError):
    """A flowcodec file is damaged, truncated or of an unknown version.

    `offset` is the byte position in the file where the trouble was found and
    `unit` the name of the part it lies in ("header", "tile 3", "alpha", ...).
    """

    def __init__(self, message: str, *, offset: int | None = None, unit: str | None = None):
        self.offset = offset
        self.unit = unit
        place = [f"in {unit}"] if unit else []
        place += [f"at byte {offset}"] if offset is not None else []
        super().__init__(f"{message} ({', '.join(place)})" if place else message)


class WeightsError(FlowcodecError):
    """Weights are missing, damaged, or not those that a file names."""
