"""Results of flow as tables: means of a data set, its pairs, sequences, and published figures."""

import math
from collections.abc import Mapping, Sequence

from flowcodec.evaluation.flow.metrics import Part
from flowcodec.evaluation.flow.published import PublishedFlows
from flowcodec.evaluation.flow.run import Cost, DataSetResults, MethodResult, mean_cost
from flowcodec.evaluation.flow.video import SequenceResults
from flowcodec.evaluation.tables import Table

PUBLISHED = {
    "sintel_clean": "Sintel clean",
    "sintel_final": "Sintel final",
    "kitti2015": "KITTI 2015",
}
"""Data sets of which others published errors, as `find_pairs` names them, and their titles."""


def table_of_errors(results: Mapping[str, MethodResult]) -> Table:
    """Means of a data set, a row a method. Parts without pixels have no column."""
    means = {result.method.title: result.mean for result in results.values()}
    some = next(iter(means.values())).errors
    names = [name for name, part in some.parts.items() if part is not None and part.pixels]
    rows = [
        [
            title,
            *(_epe(mean.errors.parts[name]) for name in names),
            *(f"{rate:.1f}" for rate in (*mean.errors.over.values(), mean.errors.fl_all)),
            *_cost(mean.cost),
        ]
        for title, mean in means.items()
    ]
    rates = [*(f">{limit} %" for limit in some.over), "Fl-all %"]
    costs = ["seconds", "kMAC/px"]
    return Table(
        ["method", *("EPE" if name == "known" else name for name in names), *rates, *costs],
        rows,
        [],
    )


def table_of_pairs(results: Mapping[str, MethodResult]) -> Table:
    """EPE of every pair of a data set, a row a pair, a column a method."""
    titles = [result.method.title for result in results.values()]
    rows = [
        [name, *(_epe(result.pairs[name].errors.known) for result in results.values())]
        for name in next(iter(results.values())).pairs
    ]
    return Table(["pair", *titles], rows, [])


def table_of_data_sets(results: DataSetResults) -> Table:
    """EPE, a row a data set, a column a method, with the note that says what means are over."""
    titles = [result.method.title for result in next(iter(results.values())).values()]
    rows = [
        [name, *(_epe(result.mean.errors.known) for result in row.values())]
        for name, row in results.items()
    ]
    note = (
        "EPE in pixels; >1 %: how many errors are above 1 pixel. Means are over pairs, each "
        "counting alike; those by speed (s0-10, ...) are over all pixels of a data set."
    )
    return Table(["data set", *titles], rows, [note])


def table_of_sequences(results: SequenceResults) -> Table:
    """PSNR in dB of warped frames, a row a sequence, a column a method; then the means.

    Each sequence counts alike in the means.
    """
    names = list(next(iter(results.values())))
    columns = [[row[name] for row in results.values()] for name in names]
    rows = [
        [sequence, str(len(row[names[0]].pairs)), *(f"{row[name].psnr:.2f}" for name in names)]
        for sequence, row in results.items()
    ]
    means = [math.fsum(one.psnr for one in column) / len(column) for column in columns]
    costs = [_cost(mean_cost([one.cost for one in column])) for column in columns]
    rows += [
        ["mean", "", *(f"{mean:.2f}" for mean in means)],
        ["seconds a pair", "", *(seconds for seconds, _ in costs)],
        ["kMAC a pixel", "", *(kmacs for _, kmacs in costs)],
    ]
    titles = [column[0].method.title for column in columns]
    return Table(["sequence", "pairs", *titles], rows, [])


def table_of_published(published: PublishedFlows, results: DataSetResults) -> Table:
    """What others published on full data sets, below what was measured here on pairs of them.

    The notes say on how many pairs. Without any such pair nothing of ours stands there.
    """
    measured = {name: results[name] for name in PUBLISHED if name in results}
    methods = next(iter(measured.values()), {})
    rows = []
    for name, result in methods.items():
        means = {of: row[name].mean.errors for of, row in measured.items()}
        epes = [means[of].known.epe if of in means else None for of in PUBLISHED]
        fl_all = means["kitti2015"].fl_all if "kitti2015" in means else None
        title = f"{result.method.title}, here"
        rows.append([title, *_numbers(epes, 2), *_numbers([fl_all, None], 1)])
    rows += [
        [
            method.name,
            *_numbers((method.sintel_clean, method.sintel_final, method.kitti15_epe), 2),
            *_numbers((method.kitti15_fl_all, method.parameters), 1),
        ]
        for method in published.methods
    ]
    headings = ["method", *PUBLISHED.values(), "Fl-all %", "M param."]
    pairs = {of: next(iter(row.values())).pairs for of, row in measured.items()}
    counts = ", ".join(f"{PUBLISHED[of]} {len(some)}" for of, some in pairs.items())
    here = [f"Pairs measured here: {counts}."] if counts else []
    full = f"Published errors are of full data sets: {published.data_sets}."
    return Table(headings, rows, [*here, full, published.note])


def _epe(part: Part | None) -> str:
    return _numbers([None if part is None else part.epe], 2)[0]


def _cost(cost: Cost) -> list[str]:
    return [f"{cost.seconds:.4f}", *_numbers([cost.kmacs], 1)]


def _numbers(values: Sequence[float | None], digits: int) -> list[str]:
    return ["-" if value is None else f"{value:.{digits}f}" for value in values]
