"""Where the time of a call goes: functions are wrapped while a block runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any
from unittest import mock

REST = "rest"


class Stopwatch:
    """Seconds by stage; time inside a nested stage counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running = [REST]
        self._since = 0.0
        self._patches = ExitStack()

    def watch(self, stage: str, owner: Any, *names: str) -> None:
        """Count the functions `names` of a class or module for `stage`."""
        self.seconds.setdefault(stage, 0.0)
        for name in names:
            wrapped = self._wrapped(stage, getattr(owner, name))
            self._patches.enter_context(mock.patch.object(owner, name, wrapped))

    def shares(self) -> dict[str, float]:
        """Each stage's part of the whole, in sum 1."""
        total = sum(self.seconds.values())
        return {stage: seconds / total for stage, seconds in self.seconds.items()}

    def __enter__(self) -> Stopwatch:
        self._since = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lap()
        self._patches.close()

    def _lap(self) -> None:
        now = time.perf_counter()
        stage = self._running[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def _wrapped(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **keywords: Any) -> Any:
            self._lap()
            self._running.append(stage)
            try:
                return function(*arguments, **keywords)
            finally:
                self._lap()
                self._running.pop()

        return timed
