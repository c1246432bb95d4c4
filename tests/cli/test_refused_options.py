"""Options that mean nothing to an input are refused by name, and outputs told before work."""

import pytest

from flowcodec.cli.main import main
from flowcodec.media.picture import Picture, write_picture
from flowcodec.media.video.format import usual_format
from flowcodec.media.video.writing import create_video
from tests.codecs.test_video import clip
from tests.training.pictures import draw


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_weights):
    """A folder with pictures, a clip, and the first bytes of what they become."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("a.png", "b.png"):
        write_picture(Picture(draw(3, 40, 50)), folder / name)
    with create_video(folder / "clip.y4m", usual_format(53, 37, 25)) as writer:
        for frame in clip(2):
            writer.write(frame)
    (folder / "a.fci").write_bytes(b"\xfcFC\x01\x01")
    (folder / "clip.fcv").write_bytes(b"\xfcFC\x01\x02")
    (folder / "there").mkdir()
    (folder / "there" / "file").touch()
    (folder / "tiny.safetensors").write_bytes(tiny_weights.read_bytes())
    return folder


@pytest.fixture
def refused(place, tmp_path, monkeypatch, capsys):
    """What a command says that must fail with one line, loading no weights and leaving nothing."""

    def no_work(*words, **more):
        raise AssertionError("weights are loaded")

    for name in ("loading.load", "video.load_for_video", "picture.load_for"):
        monkeypatch.setattr(f"flowcodec.codecs.{name}", no_work)
    monkeypatch.chdir(place)

    def call(words):
        before = sorted(place.rglob("*"))
        assert main(words.format(out=tmp_path / "out").split()) == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert sorted(place.rglob("*")) == before and list(tmp_path.iterdir()) == []
        return told.err

    return call


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("encode clip.y4m --tile 64", "--tile is for pictures"),
        ("encode clip.y4m --strip", "--strip is for pictures"),
        ("encode clip.y4m --target-psnr 30", "--target-psnr is for pictures"),
        ("encode a.png --gop 3", "--gop is for videos"),
        ("encode a.png --metric ms-ssim --weights tiny.safetensors", "--metric chooses among"),
        ("decode clip.fcv --strip", "--strip is for pictures"),
        ("decode clip.fcv --format png", "--format is for pictures"),
        ("decode a.fci --start 1", "--start is for videos"),
        ("decode a.fci --frames 1", "--frames is for videos"),
        ("decode a.fci --lossless", "--lossless is for videos"),
        ("flow a.png b.png -o {out}.flo --stride 2", "--stride is for videos"),
        ("eval --data . --pairs 2", "--pairs means nothing to image-cnn"),
        ("eval --data . --model video-mofnet --pairs 2", "--pairs is for --protocol"),
        ("eval --data . --model flow-deeppynet --qualities 2", "--qualities means nothing"),
        ("bench --data . --gop 3", "--gop is for videos"),
        ("bench --data . --apart a", "--apart is for videos"),
        (
            "bench --data . --model video-mofnet --no-ssimulacra2",
            "--no-ssimulacra2 is for pictures",
        ),
        ("bench --data . --model video-mofnet --report r.html", "--report is for pictures"),
        ("bench --data . --model video-mofnet --published bpg", "--published is for pictures"),
    ],
)
def test_options_that_mean_nothing(refused, words, option):
    assert option in refused(words)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("encode clip.y4m -q nan", "'nan' is not a number"),
        ("encode clip.y4m --gop 65537", "65537 is not in the range"),
        ("encode clip.y4m --target-size 0", "at least one byte"),
        ("encode clip.y4m --target-size nan", "at least one byte"),
        ("decode clip.fcv --start nan", "'nan' is not a number"),
        ("decode clip.fcv --start inf", "'inf' is not a number"),
        ("decode clip.fcv --start -1", "-1.0 is not in the range"),
        ("decode clip.fcv --frames 0", "0 is not in the range"),
        ("flow a.png b.png -o {out}.png --view colors --largest nan", "'nan' is not a number"),
        ("figures a.png -o {out} -q nan", "'nan' is not a number"),
    ],
)
def test_numbers_that_are_none(refused, words, why):
    assert why in refused(words)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("encode a.png -o there/file/a.fci", "Not a directory"),
        ("encode a.png b.png -o there/file", "several files need a folder"),
        ("encode a.png b.png -o /dev/null", "several files need a folder"),
        ("decode a.fci -o there/file/a.png", "Not a directory"),
        ("flow a.png b.png -o there/file/x.flo", "Not a directory"),
        ("flow clip.y4m -o there/file/x.mp4", "Not a directory"),
        ("flow clip.y4m -o there/file/x", "Not a directory"),
        ("flow clip.y4m -o /dev/null --backward", "/dev/null takes one video"),
        ("flow clip.fcv -o {out}.mp4", "clip.fcv is a coded video already"),
        ("flow a.fci b.png -o {out}.flo", "a.fci is a coded picture already"),
        ("figures a.png -o there/file/x", "Not a directory"),
        ("figures a.png -o {out} --json there/file/x.json", "Not a directory"),
        ("eval --data . --json there/file/x.json", "there/file/x.json"),
        ("eval --data . --json missing/x.json", "there is no folder"),
        ("eval --data . --model video-mofnet --json missing/x.json", "there is no folder"),
        ("bench --data . --model video-mofnet --plot missing/x.png", "there is no folder"),
        ("bench --data . --plot there/file/x.png", "Not a directory"),
        ("train image-cnn-mse --data . --out there/file/run", "Not a directory"),
        ("train image-cnn-mse --data . --export there/file/w", "Not a directory"),
        ("train image-cnn-mse --data . --bundle there/file/b.tar", "Not a directory"),
        ("demo -o there/file/demo", "Not a directory"),
    ],
)
def test_outputs_that_cannot_be(refused, words, why):
    assert why in refused(words)


@pytest.mark.parametrize("words", [["a.png", "-o"], ["clip.y4m", "-o"], ["a.png"]])
def test_an_empty_name_is_told(place, monkeypatch, capsys, words):
    monkeypatch.chdir(place)
    assert main(["encode", *words, ""]) == 2
    assert "an empty name is no" in capsys.readouterr().err
