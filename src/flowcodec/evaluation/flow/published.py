"""Published errors of flow networks on full data sets, carried as JSON with their sources."""

import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class PublishedFlow:
    """One network: EPE in pixels on Sintel (clean, final) and KITTI 2015, Fl-all in percent.

    `parameters` are in millions; None stands where nothing was published. `source` is a key of
    the list's sources.
    """

    name: str
    source: str
    parameters: float | None
    sintel_clean: float | None
    sintel_final: float | None
    kitti15_epe: float | None
    kitti15_fl_all: float | None


@dataclass(frozen=True)
class PublishedFlows:
    """The list: of which data sets and in which sense, from where, and the networks."""

    data_sets: str
    note: str
    sources: dict[str, dict[str, str]]
    methods: tuple[PublishedFlow, ...]

    def as_json(self) -> dict[str, Any]:
        """As it lies in the package."""
        return {**asdict(self), "methods": [asdict(method) for method in self.methods]}


def published_flows() -> PublishedFlows:
    """What others published, the larger errors on Sintel final first."""
    file = resources.files("flowcodec.evaluation.peers").joinpath("flow_published.json")
    value = json.loads(file.read_text("utf-8"))
    methods = tuple(PublishedFlow(**method) for method in value.pop("methods"))
    return PublishedFlows(**value, methods=methods)
