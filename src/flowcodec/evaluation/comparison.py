"""Our codec against others over the same pictures: what `flowcodec bench` measures and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowcodec.evaluation.bd_rate import Rates, Results, compare, measures_of
from flowcodec.evaluation.peers import PublishedCurve
from flowcodec.evaluation.results import Evaluation, exact_pictures, results_without


def compare_pictures(ours: Evaluation, other: Evaluation) -> Rates:
    """BD-rates over the same pictures; those of PSNR without the ones that came back exact.

    An exact picture has no PSNR, and means over different pictures do not compare.
    """
    rates = compare(ours["results"], other["results"])
    exact = exact_pictures(ours) | exact_pictures(other)
    if exact:
        lists = [results_without(evaluation, exact) for evaluation in (ours, other)]
        without = compare(*lists)
        for measure in set(rates) & {"psnr", "psnr-yuv"}:
            rates[measure] = {**without[measure], "without": sorted(exact)}
    return rates


@dataclass(frozen=True)
class Comparison:
    """Evaluations of our codec and of peers (by name), and published curves (by title).

    All are over the same pictures, which `data` names in a word.
    """

    ours: Evaluation
    peers: Mapping[str, Evaluation]
    published: Mapping[str, PublishedCurve]
    data: str

    @property
    def rates(self) -> dict[str, Rates]:
        """BD-rates of ours by what they are against."""
        against = {name: compare_pictures(self.ours, other) for name, other in self.peers.items()}
        published = {
            title: compare(self.ours["results"], curve.results)
            for title, curve in self.published.items()
        }
        return against | published

    @property
    def curves(self) -> dict[str, Results]:
        """What is drawn, by the name that a legend shows, ours first."""
        measured = (self.ours, *self.peers.values())
        return {
            **{evaluation["name"]: evaluation["results"] for evaluation in measured},
            **{title: curve.results for title, curve in self.published.items()},
        }

    @property
    def pictures(self) -> str:
        """How many pictures, of what."""
        count = len(self.ours["per_image"])
        return f"{count} {'picture' if count == 1 else 'pictures'} of {self.data}"

    def as_json(self) -> dict[str, Any]:
        """Everything as it is written: BD-rates, and each curve in the form of an evaluation."""
        ours, rates = self.ours["name"], self.rates
        published = {
            title: {"name": title, "description": curve.origin, "results": curve.results}
            for title, curve in self.published.items()
        }
        return {
            "name": f"{ours} against {', '.join(rates)}",
            "description": f"BD-rates of {ours} in percent over {self.pictures}; below 0, {ours} "
            "needs fewer bytes",
            "bd_rate_range_db": {
                name: [what.low, what.high]
                for name, what in measures_of(self.ours["results"]).items()
            },
            "bd_rate": rates,
            "curves": {ours: self.ours, **self.peers, **published},
        }
