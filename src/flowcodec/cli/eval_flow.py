"""`flowcodec eval` of a model of flow: its errors, and how it predicts video."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcodec.cli.measuring import describe_codec, print_table, progress_bar, say
from flowcodec.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from flowcodec.evaluation.flow.methods import FlowMethod
    from flowcodec.evaluation.flow.run import DataSetResults
    from flowcodec.evaluation.flow.video import SequenceResults
    from flowcodec.media.flow_sets import Pair

_MOST_PAIRS = 40  # that are printed one by one; JSON has them all
_NARROWEST = 132  # columns of output that goes into a file or pipe, which has no width of its own


def evaluate_flow(
    model: str,
    data: Path,
    against: Sequence[str] | None,
    weights: Path | None,
    device: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Measure the pairs with known flow in `data`, or its videos where there are no such pairs.

    `against` names peers; None means all of them, or none where OpenCV is not installed.
    Raises UsageError when `data` holds neither.
    """
    from flowcodec.evaluation.flow.methods import has_opencv
    from flowcodec.evaluation.flow.run import evaluate_pairs
    from flowcodec.evaluation.flow.video import evaluate_sequences, pairs_in
    from flowcodec.evaluation.results import write_json

    data_sets, sequences = _find(data)
    methods = _methods(model, against, weights, device, threads)
    console = _console()
    written: dict[str, Any]
    if data_sets:
        with progress_bar(sum(map(len, data_sets.values())), model) as advance:
            errors = evaluate_pairs(methods, data_sets, advance)
        written = _print_errors(console, model, errors)
    else:
        with progress_bar(pairs_in(sequences), model) as advance:
            predictions = evaluate_sequences(methods, sequences, advance)
        written = _print_predictions(console, predictions)
    if against is None and not has_opencv():
        say(
            console,
            "OpenCV is not installed, so DIS and Farneback did not run: "
            "pip install 'flowcodec[bench]'",
        )
    if json_path is not None:
        what = {"name": model, "description": methods[0].description}
        write_json(json_path, {**what, **written})
        say(console, f"Figures: {json_path}")


def _find(data: Path) -> tuple[dict[str, list["Pair"]], dict[str, Path]]:
    """Pairs by data set; where there are none, sequences by name."""
    from flowcodec.evaluation.flow.video import find_sequences
    from flowcodec.media.flow_sets import find_pairs

    sequences = find_sequences(data)
    if data.is_file() and sequences:
        return {}, sequences
    try:
        return find_pairs(data), {}
    except UsageError as error:
        if sequences:
            return {}, sequences
        raise UsageError(f"{error}; nor does it hold videos or folders of frames") from None


def _methods(
    model: str,
    against: Sequence[str] | None,
    weights: Path | None,
    device: str,
    threads: int | None,
) -> list["FlowMethod"]:
    """Ours, the peers and no motion. A wrong name of a peer is told before weights load."""
    from flowcodec.codecs.loading import flow_estimator
    from flowcodec.evaluation.flow.methods import (
        FLOW_PEERS,
        ZERO,
        flow_peer,
        has_opencv,
        our_method,
    )

    if against is None:
        against = FLOW_PEERS if has_opencv() else ()
    peers = [flow_peer(name, threads) for name in against]
    estimator = flow_estimator(model, weights=weights, device=device, threads=threads)
    kmacs = None
    if find_spec("torch"):
        from flowcodec.evaluation.work import work_of

        kmacs = work_of(model, estimator.weights.config).kmac["flow"]
    ours = our_method(model, describe_codec(None, weights, device, threads), estimator, kmacs)
    return [ours, *peers, ZERO]


def _print_errors(console: "Console", model: str, results: "DataSetResults") -> dict[str, Any]:
    """Print tables of every data set and of what is published; return the JSON of it all."""
    from flowcodec.evaluation.flow import tables
    from flowcodec.evaluation.flow.published import published_flows

    for name, row in results.items():
        ours = row[model]
        count, pixels = len(ours.pairs), ours.mean.errors.known.pixels
        title = f"{name}: {count} {'pair' if count == 1 else 'pairs'}, {pixels:,} pixels"
        print_table(console, title, tables.table_of_errors(row))
        if 1 < count <= _MOST_PAIRS:
            print_table(console, f"{name}: EPE of each pair", tables.table_of_pairs(row))
    print_table(console, "Mean EPE", tables.table_of_data_sets(results))
    published = published_flows()
    compared = tables.table_of_published(published, results)
    print_table(console, "EPE, and what is published", compared)
    return {
        "data_sets": {
            name: {method: result.as_json() for method, result in row.items()}
            for name, row in results.items()
        },
        "published": published.as_json(),
    }


def _print_predictions(console: "Console", results: "SequenceResults") -> dict[str, Any]:
    """Print the table of sequences; return the JSON."""
    from flowcodec.evaluation.flow.tables import table_of_sequences

    title = "PSNR of each frame predicted from the next one, dB"
    print_table(console, title, table_of_sequences(results))
    return {
        "sequences": {
            name: {method: result.as_json() for method, result in row.items()}
            for name, row in results.items()
        }
    }


def _console() -> "Console":
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _NARROWEST))
