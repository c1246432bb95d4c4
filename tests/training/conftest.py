"""A folder of drawn pictures, one thread, and a KLT from few patches: tests take seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from flowcodec.training.image_cnn import training
from tests.training.pictures import draw_folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures of 160x128."""
    return draw_folder(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread: results do not depend on how many cores the machine has."""
    monkeypatch.setattr(training, "KLT_PATCHES", 3000)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
