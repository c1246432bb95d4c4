"""What commands share: options, the list of pictures, progress and tables."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from flowcodec.cli.streams import note
from flowcodec.errors import FlowcodecError, UsageError
from flowcodec.media.names import printable
from flowcodec.quality import COARSEST, FINEST

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

    from flowcodec.codecs.systems import Kind, System
    from flowcodec.evaluation.bd_rate import Rates
    from flowcodec.evaluation.results import Evaluation
    from flowcodec.evaluation.tables import Table


_NAMES = {"against", "data set", "method", "pair", "published", "sequence"}  # columns of names

Command = TypeVar("Command", bound=Callable[..., Any])


def device_options(command: Command) -> Command:
    """Where a codec runs: the keyword arguments `device` and `threads` of `flowcodec.load`."""
    for option in (
        click.option(
            "--threads", type=click.IntRange(1), help="CPU threads of our codec. Default: all."
        ),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ..."),
    ):
        command = option(command)
    return command


jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Worker processes, of one thread each unless --threads says otherwise.",
)


def codec_options(command: Command) -> Command:
    """Which codec: the keyword arguments `name` (as `model`), `metric`, `weights`, `device` and
    `threads` of `flowcodec.load`, of which the first three must not contradict each other; `metric`
    is that of the weights where these are given."""

    @wraps(command)
    def checked(**given: Any) -> Any:
        own = given["weights"] and _metric_of(given["weights"])
        if own not in (None, given["metric"]):
            refuse_given(f"chooses among the bundled weights; these are for {own}", "metric")
        return command(**{**given, "metric": own or given["metric"]})

    found: Any = checked
    for option in (
        click.option(
            "--weights",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Weights of your own (.safetensors). Default: the bundled ones.",
        ),
        click.option(
            "--metric",
            type=click.Choice(["mse", "ms-ssim", "yuv"]),
            default="mse",
            show_default=True,
            help="What the bundled weights were trained for; yuv: pictures in 4:2:0, luma first.",
        ),
        click.option(
            "--model",
            metavar="NAME",
            help="Model, one of those that `flowcodec models` lists. Default: that of the weights,"
            " or the first for what is coded.",
        ),
    ):
        found = option(found)
    return cast(Command, device_options(found))


def _metric_of(weights: Path) -> str | None:
    """What weights were trained for; None where they cannot be read: their loader will tell."""
    from flowcodec.codecs.weights import load_weights

    try:
        return load_weights(weights).metric
    except (FlowcodecError, OSError):
        return None


def refuse_given(why: str, *names: str) -> None:
    """UsageError where the command in hand was given one of these parameters, told by its option's
    name and `why`: "is for pictures"."""
    ctx = click.get_current_context()
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"{max(parameter.opts, key=len)} {why}")


def system_for(model: str | None, weights: Path | None, kind: "Kind") -> "System":
    """The system that a command is about: the one that was named, that of the weights, or the
    first of a kind."""
    from flowcodec.codecs.systems import SYSTEMS, names_of, system_called

    if model is None and weights is not None:
        from flowcodec.codecs.weights import load_weights

        model = load_weights(weights).model
    return SYSTEMS[names_of(kind)[0]] if model is None else system_called(model)


def describe_codec(
    metric: str | None, weights: Path | None, device: str, threads: int | None
) -> str:
    """How our codec was run, for the description of a result. `metric` None: there is no choice."""
    import flowcodec

    bundled = f"bundled {metric} weights" if metric else "bundled weights"
    own = f"weights {weights.name}" if weights else bundled
    count = "default threads" if threads is None else f"{threads} threads"
    return f"flowcodec {flowcodec.__version__}, {own}, {device}, {count}"


class Number(click.FloatRange):
    """A number of a range, which "nan" and "inf" are not."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a number", param, ctx)
        return found


class Qualities(click.ParamType[list[float]]):
    """`1-8`, `1,2.5,4` or both mixed: numbers from 1 to 8, ranges in steps of one."""

    name = "qualities"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[float]:
        """The numbers, rising, each once."""
        found: set[float] = set()
        for part in str(value).split(","):
            try:
                low, dash, high = part.partition("-")
                found |= set(range(int(low), int(high) + 1)) if dash else {float(part)}
            except ValueError:
                self.fail(f"{part!r} is neither a number nor a range such as 1-8", param, ctx)
        if not found or not all(COARSEST <= 1000 * quality <= FINEST for quality in found):
            self.fail(
                f"{value!r}: qualities go from {COARSEST // 1000} to {FINEST // 1000}", param, ctx
            )
        return sorted(map(float, found))


def pictures_in(folder: Path) -> list[Path]:
    """The pictures under a folder, sorted; says what else is left out.

    Raises UsageError when there are none, MediaError when something cannot be read.
    """
    from flowcodec.media.folders import pictures_of

    contents = pictures_of(folder)
    paths = contents.readable()
    if not paths:
        raise UsageError(f"no pictures in {folder}: give a folder of PNG, JPEG, WebP, ... files")
    if contents.left_out:
        note(folder, f"left out: {printable(contents.summary)}")
    return paths


@contextmanager
def progress_bar(total: int | None, what: str) -> Iterator[Callable[[], None]]:
    """A bar on stderr with the rate and the time left; yields the function that advances it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # what goes into a file or pipe must not pass the bar
    ) as progress:
        task = progress.add_task(what, total=total, rate="")

        def advance() -> None:
            progress.advance(task)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:.2f}/s" if speed else "")

        yield advance


def print_evaluation(console: "Console", evaluation: "Evaluation") -> None:
    """The means of an evaluation as a table, a row a quality."""
    from flowcodec.evaluation.tables import table_of_means

    title = f"{evaluation['name']}: mean of {len(evaluation['per_image'])} pictures"
    print_table(console, title, table_of_means(evaluation))


def print_bd_rates(console: "Console", name: str, rates: Mapping[str, "Rates"]) -> None:
    """BD-rates of `name` against others (`{peer: compare(...)}`), and why one is missing."""
    from flowcodec.evaluation.tables import table_of_rates

    title = f"BD-rate of {name}: file size at equal quality"
    print_table(console, title, table_of_rates(rates))


def print_table(console: "Console", title: str, table: "Table") -> None:
    """A table with its notes below. Names stand left, numbers right."""
    from rich import table as rich_table
    from rich.text import Text

    printed = rich_table.Table(title=Text(printable(title)))
    for heading in table.headings:
        side: JustifyMethod = "left" if heading in _NAMES else "right"
        printed.add_column(Text(heading), justify=side, overflow="fold")
    for row in table.rows:
        printed.add_row(*(Text(printable(cell)) for cell in row))
    console.print(printed)
    for text in table.notes:
        say(console, text)


def say(console: "Console", text: str) -> None:
    """A line of text as it stands, with names that a terminal can show."""
    console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


def names_in(text: str) -> Sequence[str]:
    """The words of a comma-separated list, each once, in order."""
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
