import pytest
from PIL import Image

from flowcodec.errors import UsageError
from flowcodec.evaluation import plot
from flowcodec.evaluation.peers import published_curves
from flowcodec.evaluation.plot import plot_curves

CURVES = {name: curve.results for name, curve in published_curves().items()}


def test_equal_curves_give_equal_files(tmp_path):
    files = [tmp_path / f"{name}.svg" for name in ("a", "b")]
    for file in files:
        plot_curves(CURVES, file, "Kodak", first="VTM 9.1")
    assert files[0].read_bytes() == files[1].read_bytes()


def test_each_curve_changes_the_plot_and_gaps_are_left_out(tmp_path):
    def draw(curves, first="JPEG"):
        plot_curves(curves, tmp_path / "plot.png", "Kodak", first)
        with Image.open(tmp_path / "plot.png") as image:
            return image.convert("RGB").tobytes()

    jpeg, webp = CURVES["JPEG"], CURVES["WebP"]
    both = draw({"JPEG": jpeg, "WebP": webp})
    assert both != draw({"JPEG": jpeg})
    assert both != draw({"JPEG": jpeg, "WebP": webp}, first="WebP")
    gap = {key: [*values, None if key != "bpp" else 0.5] for key, values in webp.items()}
    assert both == draw({"JPEG": jpeg, "WebP": gap})


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"plot\.bmp.*\.png"):
        plot_curves(CURVES, tmp_path / "plot.bmp", "Kodak", first="JPEG")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"flowcodec\[bench\]"):
        plot_curves(CURVES, tmp_path / "plot.png", "Kodak", first="JPEG")
