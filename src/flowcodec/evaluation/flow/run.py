"""Run flow methods over pairs whose flow is known, and measure errors, time and work."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowcodec.errors import UsageError
from flowcodec.evaluation.flow.methods import FlowMethod
from flowcodec.evaluation.flow.metrics import FlowErrors, Vectors, errors_over, flow_errors
from flowcodec.evaluation.metrics import Pixels
from flowcodec.media.flow_sets import Pair, load_pair

Progress = Callable[[], None]
"""Called after each pair, when every method has run over it."""


@dataclass(frozen=True)
class Cost:
    """Of one flow: seconds, and thousands of multiply-adds a pixel where they are known."""

    seconds: float
    kmacs: float | None

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        kmacs = None if self.kmacs is None else round(self.kmacs, 2)
        return {"seconds": round(self.seconds, 5), "kmac_per_pixel": kmacs}


@dataclass(frozen=True)
class PairResult:
    """One method on one pair."""

    errors: FlowErrors
    cost: Cost

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        return {**self.errors.as_json(), **self.cost.as_json()}


@dataclass(frozen=True)
class MethodResult:
    """One method over the pairs of a data set, by their names."""

    method: FlowMethod
    pairs: dict[str, PairResult]

    @property
    def mean(self) -> PairResult:
        """Errors as `errors_over` has them, and the mean cost."""
        results = list(self.pairs.values())
        errors = errors_over([result.errors for result in results])
        return PairResult(errors, mean_cost([result.cost for result in results]))

    def as_json(self) -> dict[str, Any]:
        """Means, and every pair."""
        return {
            "title": self.method.title,
            "description": self.method.description,
            "mean": self.mean.as_json(),
            "per_pair": {name: result.as_json() for name, result in self.pairs.items()},
        }


DataSetResults = dict[str, dict[str, MethodResult]]
"""Results by data set, then by name of the method."""


class Runner:
    """A method with a clock: it runs once on each new size of picture before the clock counts."""

    def __init__(self, method: FlowMethod):
        self.method = method
        self._warm: set[tuple[int, ...]] = set()

    def __call__(self, first: Pixels, second: Pixels) -> tuple[Vectors, Cost]:
        """The flow from the first picture to the second, and what the call alone took."""
        if first.shape not in self._warm:
            self.method.flow(first, second)
            self._warm.add(first.shape)
        start = time.perf_counter()
        flow = self.method.flow(first, second)
        return flow, Cost(time.perf_counter() - start, self.method.kmacs)


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """The mean over pairs."""
    counted = [cost.kmacs for cost in costs if cost.kmacs is not None]
    return Cost(
        math.fsum(cost.seconds for cost in costs) / len(costs),
        math.fsum(counted) / len(counted) if counted else None,
    )


def evaluate_pairs(
    methods: Sequence[FlowMethod],
    data_sets: Mapping[str, Sequence[Pair]],
    progress: Progress | None = None,
) -> DataSetResults:
    """Run every method over every pair of `media.flow_sets.find_pairs`.

    Raises UsageError for a pair without known flow or a method that returns what is no flow,
    naming both, and MediaError for files that cannot be read.
    """
    runners = [Runner(method) for method in methods]
    results: DataSetResults = {}
    for data_set, pairs in data_sets.items():
        row = {method.name: MethodResult(method, {}) for method in methods}
        results[data_set] = row
        for pair in pairs:
            loaded = load_pair(pair)
            for runner in runners:
                flow, cost = runner(loaded.first, loaded.second)
                name = runner.method.name
                try:
                    errors = flow_errors(flow, loaded.flow, loaded.valid, loaded.occluded)
                except UsageError as error:
                    raise UsageError(f"{data_set}/{pair.name}, {name}: {error}") from None
                row[name].pairs[pair.name] = PairResult(errors, cost)
            if progress is not None:
                progress()
    return results
