"""What every test may use: the installed command, and pictures that may lie beside the clone."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

# No test depends on the clock. `make test` tries the same examples each time, `make fuzz` new ones.
settings.register_profile("test", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=500, print_blob=True)
settings.load_profile("test")


@pytest.fixture(scope="session")
def flowcodec_command() -> list[str]:
    """How to call the command that is installed beside this Python: first words of an argv."""
    command = Path(sys.executable).with_name("flowcodec")
    if not command.exists():
        pytest.fail(f"{command} is missing: run the tests with `make test`")
    return [str(command)]


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        pytest.skip(f"{what} are not here: put them into ../shared/data beside the clone")
    return path


@pytest.fixture(scope="session")
def kodak() -> Path:
    """The folder of the Kodak pictures (24 PNG files); skips where it is absent."""
    return _folder(SHARED_DATA / "eval" / "kodak", "the Kodak pictures")


@pytest.fixture(scope="session")
def train_images() -> Path:
    """The folder of the training pictures; skips where it is absent."""
    return _folder(SHARED_DATA / "train" / "images", "the training pictures")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A weight file of the tiny preset, from KLT and not trained, the same each time."""
    return _tiny(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="session")
def tiny_yuv_weights(tmp_path_factory) -> Path:
    """The same for planes in 4:2:0."""
    switches = {"planes": "yuv420", "refinement": False, "attention": "none"}
    path = tmp_path_factory.mktemp("weights") / "tiny-yuv.safetensors"
    return _tiny(path, metric="yuv", switches=switches)


def _tiny(path: Path, metric: str = "mse", **keys: object) -> Path:
    from flowcodec.models.image_cnn.klt import start_from_klt
    from flowcodec.quality import MSE_LAMBDAS
    from flowcodec.training.data.crops import patches
    from flowcodec.training.image_cnn.training import build
    from flowcodec.training.networks import export
    from tests.training.pictures import draw, tiny_recipe

    model = build(tiny_recipe(steps=1, metric=metric, **keys))
    start_from_klt(model, patches([draw(seed) for seed in range(4)], 16, 2000, 1), MSE_LAMBDAS)
    export("image-cnn", model, metric, path)
    return path
