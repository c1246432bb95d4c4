"""Multiply-adds against counts by hand, and the figures that docs/training.md prints."""

import dataclasses
import re
from pathlib import Path

import pytest

from flowcodec.evaluation.work import work_of
from flowcodec.models.flow_deeppynet.config import PRESETS as FLOW_PRESETS
from flowcodec.models.image_cnn.config import PRESETS

DOCS = Path(__file__).parents[2] / "docs" / "training.md"


def test_convolutions_are_counted_once_a_pixel() -> None:
    """A strided g_a without attention, by hand: outputs x inputs x kernel / pixels an output."""
    config = dataclasses.replace(PRESETS["paper"], attention="none", components=1, refinement=False)
    stages = 192 * 3 * 25 / 4 + 192 * 192 * 25 * (1 / 16 + 1 / 64) + 320 * 192 * 25 / 256
    gdn = 192 * 192 * (1 / 4 + 1 / 16 + 1 / 64)
    hyper = 192 * 320 * 9 / 256 + 192 * 192 * 25 * (1 / 1024 + 1 / 4096)
    heads = (192 * 320 + 320 * 320 + 320 * 640) / 256
    features = 768 * 192 * 9 / 4096 + 768 * 192 * 9 / 1024 + 192 * 192 / 256
    work = work_of("image-cnn", config)
    kmac = work.kmac
    assert kmac["analysis"] == pytest.approx((stages + gdn + hyper) / 1000, rel=1e-3)
    assert kmac["prior"] == pytest.approx((heads + features) / 1000, rel=1e-3)
    mirrored = stages + gdn
    assert kmac["synthesis"] == pytest.approx(mirrored / 1000, rel=0.05)
    assert work.decode == kmac["prior"] + kmac["synthesis"]


def test_a_context_is_counted_once() -> None:
    """Whether it is used by half of a checkerboard, then by all: each product is made once."""
    config = dataclasses.replace(PRESETS["compact"], latent=64, slices=(16, 48))
    features = (192 * 48 * 9 / 4096) + (512 * 48 * 9 / 1024) + 128 * 128 / 256
    heads = 2 * (128 * 128 + 128 * 96) / 256 + 96 * 2 * 64 / 256
    context = 2 * 16 * 128 * 9 / 256
    assert work_of("image-cnn", config).kmac["prior"] == pytest.approx(
        (features + heads + context) / 1000, rel=1e-3
    )


@pytest.mark.parametrize("preset", ["compact", "paper"])
def test_the_docs_print_what_is_counted(preset: str) -> None:
    work = work_of("image-cnn", PRESETS[preset])
    row = re.search(rf"^\| `{preset}` \|(.*)\|$", DOCS.read_text(), re.MULTILINE)
    assert row is not None
    parameters, encode, decode = (cell.strip() for cell in row[1].split("|")[:3])
    assert parameters == f"{work.parameters / 1e6:.2f} M"
    assert encode == f"{work.encode:.1f}" and decode == f"{work.decode:.1f}"


@pytest.mark.parametrize("preset", ["compact", "paper"])
def test_the_docs_print_what_is_counted_of_flow(preset: str) -> None:
    work = work_of("flow-deeppynet", FLOW_PRESETS[preset])
    table = DOCS.read_text().partition("Of `flow-deeppynet`, per pixel")[2]
    row = re.search(rf"^\| `{preset}` \|(.*)\|$", table, re.MULTILINE)
    assert row is not None
    assert [cell.strip() for cell in row[1].split("|")[:2]] == [
        f"{work.parameters / 1e6:.2f} M",
        f"{work.kmac['flow']:.1f}",
    ]
