import json

import numpy as np
import pytest
from PIL import Image

from flowcodec.cli.main import main
from flowcodec.codecs import loading
from flowcodec.codecs.weights import BUNDLED
from flowcodec.evaluation import demo
from flowcodec.evaluation.peers import published_curves
from flowcodec.media.video import open_video
from tests.evaluation.fakes import ExactCodec, PeerCodec, save_photograph
from tests.evaluation.test_video_bench import Coarse

MS_SSIM = BUNDLED / "image-cnn-ms-ssim.safetensors"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, height in (("one", 40), ("two", 33)):
        save_photograph(folder / f"{name}.png", height, 48)
    return folder


@pytest.fixture
def loaded(monkeypatch):
    """Loading gives a stand-in; the calls are recorded."""
    calls = []

    def stand_in(kind, codec):
        def load(name=None, **options):
            calls.append((name, options))
            return codec()

        monkeypatch.setattr(loading, f"{kind}_codec", load)

    stand_in("picture", PeerCodec)
    stand_in("video", Coarse)
    return calls


def test_eval_writes_json_and_prints_a_table(tmp_path, pictures, loaded, capsys):
    out = tmp_path / "out.json"
    status = main(
        ["eval", "--data", str(pictures), "--qualities", "1-3,4.5", "--json", str(out)]
        + ["--metric", "ms-ssim", "--weights", str(MS_SSIM), "--threads", "2"]
    )
    printed = capsys.readouterr()
    assert status == 0, printed.err
    [(name, options)] = loaded
    assert name == "image-cnn"
    assert options["metric"] == "ms-ssim" and options["threads"] == 2
    assert options["weights"] == MS_SSIM and options["device"] == "cpu"
    written = json.loads(out.read_text("utf-8"))
    assert written["qualities"] == [1, 2, 3, 4.5]
    assert set(written["per_image"]) == {"one.png", "two.png"}
    assert all(len(values) == 4 for values in written["results"].values())
    assert "bd_rate" not in written
    assert f"{written['results']['psnr-rgb'][0]:.2f}" in printed.out
    assert "2 smaller pictures are not in its mean" in printed.out


def test_eval_compares_kodak_with_published_bpg(tmp_path, monkeypatch, capsys):
    bpg = published_curves()["BPG 4:4:4"].results
    cheaper = [(0.9 * r, q) for r, q in zip(bpg["bpp"], bpg["psnr-rgb"], strict=True)]
    monkeypatch.setattr(loading, "picture_codec", lambda *_, **__: ExactCodec(cheaper))
    for number in range(1, 25):
        Image.new("RGB", (120, 160), (128, 128, 128)).save(tmp_path / f"kodim{number:02}.png")
    out = tmp_path / "out.json"
    assert main(["eval", "--data", str(tmp_path), "--json", str(out)]) == 0
    rates = json.loads(out.read_text("utf-8"))["bd_rate"]["BPG 4:4:4 (published)"]
    assert rates["psnr"]["mean"] == pytest.approx(-10, abs=0.1)
    assert rates["ms-ssim"]["mean"] is None
    printed = capsys.readouterr().out
    assert f"{rates['psnr']['mean']:+.1f} %" in printed
    assert rates["ms-ssim"]["reason"][:40] in printed


@pytest.mark.parametrize("qualities", ["0-8", "9", "a", "1,,2", "", "3-1", "nan", "1.5-3"])
def test_bad_qualities_are_told_in_one_line(pictures, loaded, capsys, qualities):
    assert main(["eval", "--data", str(pictures), "--qualities", qualities]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "--qualities" in line
    assert not loaded


def test_an_empty_folder_is_told_before_weights_are_loaded(tmp_path, loaded, capsys):
    assert main(["eval", "--data", str(tmp_path)]) == 2
    assert "no pictures in" in capsys.readouterr().err
    assert main(["eval", "--data", str(tmp_path / "absent")]) == 2
    assert not loaded


def test_bench_writes_curves_bd_rates_and_a_plot(tmp_path, pictures, loaded, capsys):
    out, plot, second = (tmp_path / f"bench.{suffix}" for suffix in ("json", "png", "svg"))
    status = main(
        ["bench", "--data", str(pictures), "--against", "jpeg,webp", "--qualities", "1-8"]
        + ["--no-ssimulacra2"]
        + ["--json", str(out), "--plot", str(plot), "--plot", str(second)]
    )
    printed = capsys.readouterr()
    assert status == 0, printed.err
    written = json.loads(out.read_text("utf-8"))
    assert set(written["curves"]) == {"image-cnn", "jpeg", "webp"}
    assert set(written["bd_rate"]) == {"jpeg", "webp"}
    for name, rates in written["bd_rate"].items():
        assert set(rates) == {"psnr", "ms-ssim"}
        assert name in printed.out
    assert written["bd_rate_range_db"] == {"psnr": [30.5, 36.5], "ms-ssim": [12, 19.5]}
    assert isinstance(written["bd_rate"]["jpeg"]["psnr"]["mean"], float)
    assert written["bd_rate"]["jpeg"]["psnr"]["mean"] < 0  # JPEG 2000 stands in for ours
    with Image.open(plot) as image:
        assert image.width > image.height > 500
    assert "<svg" in second.read_text("utf-8")


def test_planes_in_420_are_compared_by_weights_for_them(
    tmp_path, pictures, tiny_yuv_weights, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", "160")
    out, plot = tmp_path / "bench.json", tmp_path / "plot.svg"
    ours = ["--data", str(pictures), "--weights", str(tiny_yuv_weights), "--qualities", "2,6"]
    bench = ["bench", *ours, "--no-ssimulacra2"]
    assert main([*bench, "--against", "avif", "--json", str(out), "--plot", str(plot)]) == 0
    printed = capsys.readouterr().out
    assert "PSNR 4:2:0 dB" in printed and "PSNR 4:2:0 33-39 dB" in printed
    written = json.loads(out.read_text("utf-8"))
    assert set(written["bd_rate"]["avif"]) == {"psnr", "ms-ssim", "psnr-yuv"}
    assert written["bd_rate_range_db"]["psnr-yuv"] == [33.0, 39.0]
    assert "4:2:0" in written["curves"]["avif"]["description"]
    for curve in written["curves"].values():
        assert len(curve["results"]["psnr-yuv"]) == len(curve["qualities"])
    assert main(["eval", *ours, "--json", str(out)]) == 0
    results = json.loads(out.read_text("utf-8"))["results"]
    assert results["psnr-yuv"] == written["curves"]["image-cnn"]["results"]["psnr-yuv"]
    assert main([*bench, "--against", "avif,jpeg2000"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "JPEG 2000 is not measured in 4:2:0" in line


def test_bench_without_outputs_writes_everything(tmp_path, pictures, loaded, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status = main(["bench", "--data", str(pictures), "--against", "jpeg", "--qualities", "2,5"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    folder = tmp_path / "bench-out"
    names = ["curves.png", "curves.svg", "figures.json", "report.html"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all(f"bench-out/{name}" in printed.out for name in names)
    assert "libjpeg-turbo" in (folder / "report.html").read_text("utf-8")


def test_bench_measures_ssimulacra2_where_it_is_installed(
    tmp_path, pictures, loaded, monkeypatch, capsys
):
    pytest.importorskip("ssimulacra2")
    monkeypatch.setenv("COLUMNS", "120")
    out = tmp_path / "bench.json"
    base = ["bench", "--data", str(pictures), "--against", "jpeg", "--qualities", "2,5"]
    assert main([*base, "--json", str(out)]) == 0
    assert "SSIMULACRA2" in capsys.readouterr().out
    curves = json.loads(out.read_text("utf-8"))["curves"]
    for curve in curves.values():
        assert len(curve["results"]["ssimulacra2"]) == len(curve["qualities"])
    assert main([*base, "--json", str(out), "--no-ssimulacra2"]) == 0
    assert "ssimulacra2" not in out.read_text("utf-8")


def test_bench_draws_published_curves_of_kodak(tmp_path, monkeypatch, capsys):
    bpg = published_curves()["BPG 4:4:4"].results
    points = list(zip(bpg["bpp"], bpg["psnr-rgb"], strict=True))
    monkeypatch.setattr(loading, "picture_codec", lambda *_, **__: ExactCodec(points))
    for number in range(1, 25):
        Image.new("RGB", (120, 160), (128, 128, 128)).save(tmp_path / f"kodim{number:02}.png")
    out, plot = tmp_path / "out.json", tmp_path / "out.svg"
    base = ["bench", "--data", str(tmp_path), "--against", "", "--no-ssimulacra2"]
    assert main([*base, "--published", "vtm,bpg", "--json", str(out), "--plot", str(plot)]) == 0
    written = json.loads(out.read_text("utf-8"))
    assert list(written["bd_rate"]) == ["VTM 9.1 (published)", "BPG 4:4:4 (published)"]
    assert written["bd_rate"]["VTM 9.1 (published)"]["psnr"]["mean"] > 20
    assert "vtm.json" in written["curves"]["VTM 9.1 (published)"]["description"]
    assert main([*base, "--published", "--json", str(out), "--qualities", "1,2"]) == 0
    assert len(json.loads(out.read_text("utf-8"))["bd_rate"]) == len(published_curves())
    assert main([*base, "--published", "bpgg"]) == 2
    assert "'bpgg': choose from jpeg," in capsys.readouterr().err


def test_bench_refuses_what_it_cannot_do_before_any_work(tmp_path, pictures, loaded, capsys):
    base = ["bench", "--data", str(pictures), "--json", str(tmp_path / "o.json")]
    assert main([*base, "--against", "jpeg,bpg"]) == 2
    assert "'bpg'" in capsys.readouterr().err
    assert main([*base, "--plot", "curve.bmp"]) == 2
    assert ".png" in capsys.readouterr().err
    assert main([*base, "--published"]) == 2
    assert "kodim01" in capsys.readouterr().err
    assert main([*base, "--report", str(tmp_path / "absent" / "r.html")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert not loaded and not (tmp_path / "o.json").exists()


def test_demo_makes_small_real_files_and_one_picture(tmp_path, loaded, monkeypatch, capsys):
    photographs = [
        save_photograph(tmp_path / f"{name}.png", height, 180)
        for name, height in (("hill", 140), ("lake", 200), ("town", 160))
    ]
    monkeypatch.setattr(demo, "find_photographs", lambda: photographs)
    folder = tmp_path / "deep" / "demo"
    assert main(["demo", "-o", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert loaded == [(None, {}), (None, {})]
    ours, other = (folder / f"clip.{kind}" for kind in ("fcv", "265"))
    assert 0 < other.stat().st_size <= ours.stat().st_size
    with open_video(folder / "clip.mp4") as clip:
        frames = list(clip.frames)
    assert len(frames) == 24 and frames[0].shape == (258, 960, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 5
    for photograph in photographs:
        ours = folder / f"{photograph.stem}.fci"
        decoded = PeerCodec().decode(ours.read_bytes()).pixels
        with Image.open(folder / f"{photograph.stem}.fci.png") as image:
            assert (decoded == image).all()
        for suffix in (".jpg", ".webp", ".avif"):
            with Image.open(folder / f"{photograph.stem}{suffix}") as image:
                assert image.size == (decoded.shape[1], decoded.shape[0])
        assert f"{ours.stat().st_size:,}" in printed
    with Image.open(folder / "comparison.png") as sheet:
        assert sheet.width > 6 * 384
    assert str(folder / "comparison.png") in printed


def test_demo_says_so_where_a_codec_cannot_be_that_small(tmp_path):
    photograph = save_photograph(tmp_path / "hill.png", 64, 64)
    codec = PeerCodec()
    shots = list(demo.code_photograph(codec, "ours", photograph, tmp_path, 1))
    assert [shot.codec for shot in shots] == ["ours", "JPEG", "WebP", "AVIF"]
    for shot in shots:
        assert shot.data == (tmp_path / f"hill{shot.suffix}").read_bytes()
        assert shot.fits == (len(shot.data) <= len(shots[0].data))
    jpeg = shots[1]
    assert not jpeg.fits  # its tables alone are larger


def test_the_photographs_are_in_the_wheel():
    pytest.importorskip("skimage")
    paths = demo.find_photographs()
    assert [path.name for path in paths] == ["astronaut.png", "coffee.png", "chelsea.png"]
    with Image.open(paths[0]) as image:
        assert image.size == (512, 512)
