"""`flowcodec models`: the systems, and the weights of each that come with the package."""

import json
from pathlib import Path
from typing import Any

import click

import flowcodec
from flowcodec.cli.streams import standard_output
from flowcodec.codecs.systems import SYSTEMS
from flowcodec.errors import WeightsError

WEIGHTS = Path(flowcodec.__file__).parent / "weights"
COLUMNS = (
    "MODEL",
    "KIND",
    "METRIC",
    "PRESET",
    "QUALITY",
    "PARAMETERS",
    "KMAC/PIXEL",
    "PRIOR",
    "WEIGHTS",
    "FILE",
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object a model.")
def command(as_json: bool) -> None:
    """List the models, and their bundled weights: what they are for, how large, how much work."""
    standard_output()  # what is printed is all that this command does
    read = [_read(path) for path in sorted(WEIGHTS.glob("*.json"))]
    cards = []
    for row in SYSTEMS.values():
        about = {"model": row.name, "kind": row.kind}
        cards += [{**about, **card} for card in read if card["model"] == row.name] or [about]
    click.echo(json.dumps(cards, indent=2) if as_json else _table(cards))


def _read(path: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(path.read_text("utf-8"))
        _row({"kind": "", **card})
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: this is not a weights card: {error!r}") from error
    return card


def _row(card: dict[str, Any]) -> tuple[str, ...]:
    if "file" not in card:
        return (card["model"], card["kind"], *("-" for _ in COLUMNS[2:]))
    work = card["kmac_per_pixel"]
    if "flow" in work:
        quality, cost, prior = "-", f"{work['flow']:.1f}", "-"
    else:
        low, high = card["qualities"]
        quality = f"{low:g}-{high:g}"
        cost, prior = f"{work['encode']:.1f} + {work['decode']:.1f}", card["prior_hash"]
    return (
        card["model"],
        card["kind"],
        card["metric"],
        card["preset"],
        quality,
        f"{card['parameters'] / 1e6:.2f} M",
        cost,
        prior,
        card["weights_hash"],
        card["file"],
    )


def _table(cards: list[dict[str, Any]]) -> str:
    rows = [COLUMNS, *map(_row, cards)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
