"""Training everything together lowers the real objective on pictures that it never saw."""

from pathlib import Path

import msgspec
from PIL import Image

from flowcodec.evaluation.demo import find_photographs
from flowcodec.training.engine import train
from flowcodec.training.image_cnn.recipe import ImageStage
from flowcodec.training.image_cnn.training import ImageTraining
from tests.training.pictures import tiny_recipe

HEIGHT, WIDTH = 128, 192


def test_joint_training_lowers_the_objective_of_held_out_photographs(tmp_path: Path) -> None:
    """After the prior has learned alone; by bits and lambda times the error of rounded latents."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in find_photographs():
        photograph = Image.open(path).convert("RGB")
        for top in range(0, photograph.height - HEIGHT + 1, HEIGHT):
            for left in range(0, photograph.width - WIDTH + 1, WIDTH):
                part = photograph.crop((left, top, left + WIDTH, top + HEIGHT))
                part.save(folder / f"{path.stem}-{top:03}-{left:03}.png")
    stages = [
        ImageStage(steps=150, crop=64, batch=4, lr=4e-3, lr_end=4e-4, part="prior"),
        ImageStage(steps=200, crop=64, batch=4, lr=1e-3, lr_end=1e-5, part="all"),
    ]
    recipe = tiny_recipe(1, price=0.12, average=0.9, held_out=4, evaluate_every=150)
    results: list[dict[str, list[float]]] = []
    train(
        ImageTraining(msgspec.structs.replace(recipe, stages=stages), tmp_path / "run"),
        folder,
        on_evaluation=lambda training, result: results.append(result),
    )
    start, after_prior, *_, end = (result["objective"] for result in results)
    for quality in (2, 4, 6):
        assert after_prior[quality - 1] < start[quality - 1]
        assert end[quality - 1] < 0.985 * after_prior[quality - 1]
