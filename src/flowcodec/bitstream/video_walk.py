"""From group to group through a `.fcv` file, over whatever is damaged (SPEC.md section 15)."""

from collections.abc import Iterator

from flowcodec.bitstream.numbers import TICKS
from flowcodec.bitstream.video_groups import INDEX, Damage, Head, Report, find_head, read_head
from flowcodec.bitstream.window import Window
from flowcodec.errors import FormatError


class Walk:
    """Goes through a file from group to group, over whatever is damaged, and says what is lost."""

    def __init__(self, window: Window, seed: int, report: Report):
        self._window = window
        self._seed = seed
        self._report = report
        self._number = self._first = 0  # of the next group and of its first frame
        self._start = TICKS[0]

    def heads(self) -> Iterator[Head]:
        """The heads of the groups and, at last, of the index, if there is one.

        Before the next one is asked for, the window is to stand at the end of the group, or where
        it is broken.
        """
        broken = False
        while True:
            offset = self._window.offset
            head, trouble = self._next(broken)
            if head is None:
                self._tell(offset, trouble)
                return
            contradiction, lost = self._judge(head)
            self._tell(offset, trouble, contradiction, lost)
            if contradiction:
                broken = True
                continue
            if head.marker == INDEX:
                yield head
                return
            self._number, self._first = head.group.number + 1, head.group.first + head.group.count
            self._start = head.group.start
            yield head
            broken = self._window.offset != head.end + head.group.size

    def _next(self, broken: bool) -> tuple[Head | None, str]:
        """The next head, wherever it is, and what was wrong with the bytes before it."""
        offset = self._window.offset
        try:
            return read_head(self._window, self._seed), ""
        except FormatError as error:
            head = find_head(self._window, self._seed)
            passed = (self._window.offset if head is None else head.offset) - offset
            if broken or not passed:
                return head, ""
            return head, Damage.of(error, f"; {passed} bytes are passed over").text

    def _judge(self, head: Head) -> tuple[str, str]:
        """Why a group or an index cannot stand here, or what is missing before it."""
        if head.marker == INDEX:
            name = "the index"
            number, first, start = head.values["groups"], head.values["frames"], self._start
        else:
            name = f"group {head.group.number}"
            number, first, start = head.group.number, head.group.first, head.group.start
        missing, frames = number - self._number, first - self._first
        if missing < 0:
            return f"{name} does not belong here, after group {self._number - 1}", ""
        if frames < missing or (missing == 0) != (frames == 0) or start < self._start:
            return f"{name} does not go with the group before it", ""
        if not missing:
            return "", ""
        groups = _numbers("group", self._number, number - 1)
        return "", f"lost: {groups}, {_numbers('frame', self._first, first - 1)}"

    def _tell(self, offset: int, *troubles: str) -> None:
        text = "; ".join(trouble for trouble in troubles if trouble)
        if text:
            self._report(Damage(offset, f"group {self._number}", text))


def _numbers(what: str, first: int, last: int) -> str:
    return f"{what} {first}" if first == last else f"{what}s {first} to {last}"
