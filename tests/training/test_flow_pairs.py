"""Pairs of known flow: what augmentation keeps true, and training on them, alone and mixed."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowcodec.errors import MediaError, UsageError
from flowcodec.media.flow import write_flow
from flowcodec.media.flow_sets import LoadedPair, Pair, find_pairs
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from flowcodec.nn.warp import warp
from flowcodec.training.data import pairs as pairs_module
from flowcodec.training.data.pairs import Pairs, augmented, load_data_sets, split, whole
from flowcodec.training.data.scenes import Scene
from flowcodec.training.engine import stage_at, train
from flowcodec.training.flow_deeppynet import training as training_module
from flowcodec.training.flow_deeppynet.recipe import FlowRecipe, FlowStage
from flowcodec.training.flow_deeppynet.training import FlowTraining
from flowcodec.training.recipe import find_recipe, load_recipe
from tests.evaluation.moving import moving_texture
from tests.media.flow_trees import write_pfm
from tests.training.pictures import draw_folder

MOTION = 5.0, -3.0


@pytest.fixture
def uncoloured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Augmentation leaves the colours alone."""
    monkeypatch.setattr(pairs_module, "jitter", lambda picture, rng, strength: picture)


def soft(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture, nowhere like itself moved or mirrored: uint8 (H, W, 3) at places (H, W)."""
    waves = (x / 9 + y / 23, y / 7 - x / 31, (x + 2 * y) / 17 + np.sin(x / 13))
    return np.stack([127.5 + 120 * np.sin(wave) for wave in waves], -1).round().astype(np.uint8)


def zooming(height: int, width: int, zoom: float) -> LoadedPair:
    """A soft picture that moves by MOTION and grows."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    flow = np.stack([(zoom - 1) * x + MOTION[0], (zoom - 1) * y + MOTION[1]], -1)
    second = soft((x - MOTION[0]) / zoom, (y - MOTION[1]) / zoom)
    return LoadedPair(soft(x, y), second, flow, np.ones((height, width), bool), None)


def write_chairs(root: Path, count: int) -> Path:
    """FlyingChairs of 96x128, that many."""
    (root / "data").mkdir(parents=True)
    for number in range(1, count + 1):
        motion = (float(number % 5 - 2), float(number % 3 - 1))
        for index, frame in enumerate(moving_texture(96, 128, motion, frames=2), 1):
            Image.fromarray(frame).save(root / "data" / f"{number:05}_img{index}.ppm")
        vectors = np.full((96, 128, 2), motion, np.float32)
        write_flow(root / "data" / f"{number:05}_flow.flo", vectors)
    return root


def write_things(root: Path, part: str, scenes: int) -> Path:
    """FlyingThings3D of 64x64, the clean pass, a pair a scene."""
    for scene in range(scenes):
        inner = Path(part, "A", f"{scene:04}")
        frames = root / "frames_cleanpass" / inner / "left"
        flows = root / "optical_flow" / inner / "into_future" / "left"
        frames.mkdir(parents=True)
        flows.mkdir(parents=True)
        for number, frame in enumerate(moving_texture(64, 64, MOTION, frames=2)):
            Image.fromarray(frame).save(frames / f"{number:04}.png")
        vectors = np.full((64, 64, 2), MOTION, np.float32)
        write_pfm(flows / "OpticalFlowIntoFuture_0000_L.pfm", vectors)
    return root


def recipe(steps: int, batch: int, pairs: int, clips: int = 0, **keys: object) -> FlowRecipe:
    """For the preset "tiny" on crops of 64x64."""
    stage = FlowStage(
        steps=steps, batch=batch, pairs=pairs, clips=clips, height=64, width=64, lr=3e-3, lr_end=0
    )
    defaults = {"warm_up": 5, "held_out": 2, "average": 0.9}
    return FlowRecipe(preset="tiny", stages=[stage], **(defaults | keys))  # type: ignore[arg-type]


def assert_same(one: Scene, other: Scene) -> None:
    for name, value in vars(one).items():
        assert torch.equal(value, getattr(other, name)), name


@pytest.mark.parametrize("size", [(128, 160), (40, 70)], ids=["larger", "smaller than the crop"])
@pytest.mark.parametrize("zoom", [1.0, 1.08])
@pytest.mark.usefixtures("uncoloured")
def test_flow_still_leads_from_picture_to_picture(size: tuple[int, int], zoom: float) -> None:
    directions = set()
    for seed in range(60):
        scene = augmented(zooming(*size, zoom), np.random.default_rng(seed), 64, 96)
        assert scene.first.shape == scene.second.shape == (1, 3, 64, 96)
        assert scene.flow.shape == (1, 2, 64, 96) and scene.valid.all()
        unlike = (warp(scene.second, scene.flow) - scene.first).abs().amax(1)
        # Pixels of the border, enlarged, show what lies up to half a pixel inwards.
        seen = unlike[:, 3:-3, 3:-3][~scene.occluded[:, 3:-3, 3:-3]]
        assert seen.mean() < 0.006 and seen.max() < 0.06
        directions.add(tuple((scene.flow[0].mean((1, 2)) > 0).tolist()))
    assert len(directions) == 4 or zoom > 1  # flipped in every way


@pytest.mark.usefixtures("uncoloured")
def test_sparse_flow_stays_sparse_and_exact() -> None:
    known = np.random.default_rng(1).random((128, 160)) < 0.1
    dense = zooming(128, 160, 1.0)
    pair = LoadedPair(dense.first, dense.second, dense.flow * known[..., None], known, None)
    for seed in range(30):
        scene = augmented(pair, np.random.default_rng(seed), 64, 96)
        assert 0.06 < scene.valid.float().mean() < 0.14
        for axis in (0, 1):
            found = scene.flow[0, axis][scene.valid[0]]
            assert found.max() - found.min() < 1e-3
            assert 0.6 < found[0].abs() / abs(MOTION[axis]) < 2.5


def test_what_leaves_or_is_hidden_is_occluded() -> None:
    pair = zooming(64, 64, 1.0)
    y, x = np.mgrid[:64, :64]
    for seed in range(20):
        scene = augmented(pair, np.random.default_rng(seed), 64, 64)
        x2, y2 = x + scene.flow[0, 0].numpy(), y + scene.flow[0, 1].numpy()
        inwards = np.minimum.reduce([x2, y2, 63 - x2, 63 - y2])
        occluded = scene.occluded[0].numpy()
        assert occluded[inwards < -1].all() and not occluded[inwards > 1].any()
    hidden = LoadedPair(pair.first, pair.second, pair.flow, pair.valid, pair.valid)
    assert augmented(hidden, np.random.default_rng(0), 64, 64).occluded.all()


def test_flow_of_no_use_does_not_count() -> None:
    pair = zooming(64, 64, 1.0)
    pair.flow[:32] = 3000.0
    scene = augmented(pair, np.random.default_rng(0), 64, 64)
    assert scene.valid.any() and scene.flow[0].norm(dim=0)[scene.valid[0]].max() < 400


def test_colours_change_alike_or_at_times_apart() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32)
    still = LoadedPair(
        soft(x, y), soft(x, y), np.zeros((64, 64, 2), np.float32), np.ones((64, 64), bool), None
    )
    alike = []
    for seed in range(100):
        scene = augmented(still, np.random.default_rng(seed), 64, 64)
        assert scene.first.min() >= 0 and scene.first.max() <= 1
        steps = scene.first * 255
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
        alike.append(torch.equal(scene.first, scene.second))
    assert 70 <= sum(alike) <= 90


def test_batches_are_decided_by_seed_and_step(tmp_path: Path) -> None:
    found = find_pairs(write_chairs(tmp_path, 6))["flyingchairs"]
    batch = Pairs(found, 1).batch(7, 3, 64, 64)
    assert batch.flow.shape == (3, 2, 64, 64) and batch.valid.shape == (3, 64, 64)
    assert_same(batch, Pairs(found, 1).batch(7, 3, 64, 64))
    for other in (Pairs(found, 1).batch(8, 3, 64, 64), Pairs(found, 2).batch(7, 3, 64, 64)):
        assert not torch.equal(batch.first, other.first)


def test_files_are_read_when_they_are_drawn(tmp_path: Path) -> None:
    (pair,) = find_pairs(write_chairs(tmp_path, 1))["flyingchairs"]
    source = Pairs([pair], 1)
    assert_same(source.batch(0, 1, 64, 64), source.batch(0, 1, 64, 64))
    pair.flow.write_bytes(b"PIEH")
    with pytest.raises(MediaError, match=r"00001_flow\.flo"):
        source.batch(0, 1, 64, 64)


def made(name: str, part: str | None) -> Pair:
    return Pair(name, Path(), Path(), Path(), part=part)


def test_a_data_set_says_what_is_held_out() -> None:
    parts = ["train", "val", "test", "val", "train", "val"]
    training, held_out = split([made(str(i), part) for i, part in enumerate(parts)], 2)
    assert [pair.name for pair in training] == ["0", "4"]
    assert [pair.name for pair in held_out] == ["1", "3"]
    assert split([made(str(i), part) for i, part in enumerate(parts)], 0) == (training, [])


def test_pairs_are_held_out_evenly_where_it_says_nothing() -> None:
    training, held_out = split([made(str(i), None) for i in range(9)], 3)
    assert [pair.name for pair in held_out] == ["0", "3", "6"]
    assert len(training) == 6


def test_data_sets_are_chosen_by_name_and_kept_from_the_photographs(tmp_path: Path) -> None:
    write_chairs(tmp_path / "Chairs", 4)
    write_things(write_things(tmp_path / "Things", "TRAIN", 3), "TEST", 2)
    draw_folder(tmp_path / "photographs", 1)
    every = load_data_sets(tmp_path, [], 1)
    assert {name: len(pairs) for name, pairs in every.held_out.items()} == {
        "flyingchairs": 1,
        "flyingthings3d_clean": 1,
    }
    assert len(every.training) == 3 + 2 and every.folders == {"Chairs", "Things"}
    assert not any("TEST" in pair.name for pair in every.training)
    chosen = load_data_sets(tmp_path, ["flyingthings3d_clean"], 1)
    assert list(chosen.held_out) == ["flyingthings3d_clean"] and len(chosen.training) == 2
    assert chosen.folders == every.folders
    with pytest.raises(UsageError, match="spring, hd1k: .* holds flyingchairs, flyingthings3d_cl"):
        load_data_sets(tmp_path, ["spring", "flyingchairs", "hd1k"], 1)


def test_data_sets_alone_train(tmp_path: Path) -> None:
    data = write_chairs(tmp_path / "data", 12)
    training = FlowTraining(recipe(80, batch=0, pairs=4), tmp_path / "run")
    untrained = training.evaluate(training.load(data, None)[1])
    losses: list[float] = []
    results: list[dict[str, list[float]]] = []
    train(
        training,
        data,
        on_step=lambda training, loss: losses.append(loss),
        on_evaluation=lambda training, result: results.append(result),
    )
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:20])
    assert list(results[0]) == ["epe flyingchairs"]
    assert results[0]["epe flyingchairs"][0] < 0.8 * untrained["epe flyingchairs"][0]


def test_unknown_flow_does_not_move_the_loss(tmp_path: Path) -> None:
    (pair,) = find_pairs(write_chairs(tmp_path, 1))["flyingchairs"]
    training = FlowTraining(recipe(1, batch=0, pairs=1), tmp_path / "run")

    class Given:
        def __init__(self, scene: Scene):
            self.scene = scene

        def batch(self, step: int, stage: FlowStage) -> training_module.Batch:
            return training_module.Batch([self.scene], None)

    scene = whole(pair)
    scene.valid[:, ::2] = False
    losses: list[torch.Tensor] = []
    for unknown in (0.0, 77.0):
        scene.flow[:, :, ::2] = unknown
        losses.append(training.loss(Given(scene), training.recipe.stages[0]))
    assert losses[0] > 0 and torch.equal(*losses)


def test_scenes_pairs_and_clips_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_module, "HELD_OUT_SCENES", 2)
    data = tmp_path / "data"
    write_chairs(data / "chairs", 5)
    draw_folder(data / "photographs", 5)
    for name in ("a", "b"):
        with create_video(data / f"{name}_1.mp4", usual_format(80, 64, Fraction(25))) as video:
            for frame in moving_texture(64, 80, (1.0, 0.0), frames=3):
                video.write(frame)
    training = FlowTraining(recipe(2, batch=1, pairs=2, clips=1, held_out=1), tmp_path / "run")
    source, held_out = training.load(data, None)
    assert len(source.scenes.photographs) == 4  # frames of the data set are no photographs
    batch = source.batch(0, training.recipe.stages[0])
    assert [len(scene.flow) for scene in batch.scenes] == [1, 2]
    assert [frames.shape for frames in batch.frames] == [(1, 3, 64, 64)] * 2
    training.folder.mkdir()
    training.start(source)
    assert np.isfinite([training.train_step(source) for _ in range(2)]).all()
    assert training.skipped == 0
    assert {"epe", "db", "epe flyingchairs"} <= set(training.evaluate(held_out))


@pytest.mark.parametrize(
    ("batch", "make", "message"),
    [
        (0, draw_folder, "wants pairs: .* no pairs with flow .* FlyingChairs"),
        (1, lambda data: write_chairs(data / "chairs", 2), r"wants scenes \(batch\): no picture .* "
         "beside its data sets"),
        (0, lambda data: write_things(data, "TEST", 1), "wants pairs: .* all for tests"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(tmp_path: Path, batch: int, make, message: str) -> None:
    make(tmp_path / "data")
    training = FlowTraining(recipe(1, batch=batch, pairs=1), tmp_path / "run")
    with pytest.raises(UsageError, match=message):
        training.load(tmp_path / "data", None)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"batch": 0, "pairs": 0}, "batch is 0, it must be at least 1 where pairs is 0"),
        ({"batch": 0, "pairs": 0, "clips": 1}, "batch is 0"),
        ({"batch": -1, "pairs": 1}, "batch is -1"),
        ({"batch": 1, "pairs": -1}, "pairs is -1"),
        ({"batch": 1, "pairs": 0, "data_sets": ["hd1k"]}, r"data_sets is \['hd1k'\]"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(keys: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe(1, **keys)


def test_the_paper_recipe_is_the_schedule_of_the_thesis() -> None:
    found = load_recipe(find_recipe("flow-deeppynet-paper"))
    assert isinstance(found, FlowRecipe) and found.optimiser == "adam" and found.weight_decay > 0
    assert found.total_steps == 200_000
    assert {stage_at(found, step)[1] for step in (0, 100_000, 199_999)} == {1e-4}
    assert [(stage.batch, stage.pairs) for stage in found.stages] == [(0, 3)]
