"""Times of frames, from those that a file gives them: they begin at 0 and never fall."""

from fractions import Fraction

LONGEST_PAUSE = 10  # seconds; a longer one in a transport stream is a seam, as ffmpeg has it
NEXT = Fraction(3, 2)  # frames after another one within which a time follows it


class Guess:
    """The time of a frame where its file has two, and one of them is wrong: as ffmpeg guesses.

    Times that do not rise are counted, and of the two kinds the one is taken that has fewer of
    them.
    """

    def __init__(self) -> None:
        self._wrong_shown = self._wrong_decoded = 0
        self._shown: int | None = None
        self._decoded: int | None = None

    def time(self, shown: int | None, decoded: int | None) -> int | None:
        """Of the next frame: when it is to be shown, and when it was decoded, by its file."""
        if decoded is not None:
            self._wrong_decoded += self._decoded is not None and decoded <= self._decoded
            self._decoded = decoded
        elif shown is not None:
            self._decoded = shown
        if shown is not None:
            self._wrong_shown += self._shown is not None and shown <= self._shown
            self._shown = shown
        elif decoded is not None:
            self._shown = decoded
        trusted = self._wrong_shown <= self._wrong_decoded or decoded is None
        return shown if trusted and shown is not None else decoded


class Clock:
    """Gives each frame its tick.

    step: ticks of a frame, as long as frames do not say it. longest: ticks of the longest pause
    that is believed, or None.

    A frame without a time comes one frame after the one before, and so does one whose time falls:
    from there on the source's clock is taken to have been set anew, unless the next frame shows
    that only this time was wrong.
    """

    def __init__(self, step: Fraction, longest: Fraction | None = None):
        self._step, self._longest = step, longest
        self._offset: Fraction | None = None  # from the source's times to ticks
        self._offset_before: Fraction | None = None  # the same, before a seam just seen
        self._at = Fraction(0)  # of the last frame
        self._long = Fraction(0)  # how long it is shown
        self._begun = False

    def tick(self, time: int | None, duration: int) -> int:
        """The tick of the next frame; `time` and `duration` (0: not known) as its file has them."""
        self._at = self._following(time)
        # What a file rounds to whole ticks is not more exact than the rate.
        self._long = self._step if abs(duration - self._step) < 1 else Fraction(duration)
        self._long = self._long or self._step
        self._begun = True
        return round(self._at)

    def _following(self, time: int | None) -> Fraction:
        following = self._at + self._long if self._begun else self._at
        if time is None:
            return following
        if self._offset is None:
            self._offset = following - time
            return following
        before, self._offset_before = self._offset_before, None
        if before is not None and self._at < time + before <= self._at + NEXT * self._long:
            self._offset = before
        shown = time + self._offset
        if round(shown) >= round(self._at) and not self._is_seam(shown - following):
            return max(shown, self._at)
        self._offset_before, self._offset = self._offset, following - time
        return following

    def _is_seam(self, pause: Fraction) -> bool:
        return self._longest is not None and pause > self._longest
