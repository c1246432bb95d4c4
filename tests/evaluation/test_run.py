import json
import math

import numpy as np
import pytest
from PIL import Image

from flowcodec.errors import MediaError, UsageError
from flowcodec.evaluation.comparison import compare_pictures
from flowcodec.evaluation.metrics import ms_ssim, psnr
from flowcodec.evaluation.peers import peer_named
from flowcodec.evaluation.results import KEYS, write_json
from flowcodec.evaluation.run import evaluate, evaluate_peer
from flowcodec.evaluation.tables import table_of_means, table_of_rates
from flowcodec.media.picture import Picture
from tests.evaluation.fakes import ExactCodec, FakeEncoded, PeerCodec, save_photograph


def run(codec, paths, qualities, progress=None):
    return evaluate(codec, paths, qualities, progress, name="fake", description="for tests")


def test_figures_are_those_of_the_decoded_files(tmp_path):
    paths = [
        save_photograph(tmp_path / "a.png", 170, 200),
        save_photograph(tmp_path / "b.png", 165, 161),
    ]
    codec = PeerCodec()
    evaluation = run(codec, paths, [2, 5])
    assert evaluation["name"] == "fake"
    assert evaluation["qualities"] == [2, 5]
    assert list(evaluation["per_image"]) == ["a.png", "b.png"]
    for path in paths:
        original = np.asarray(Image.open(path))
        for index, quality in enumerate((2, 5)):
            data = codec.encode(Picture(original), quality).data
            decoded = codec.decode(data).pixels
            lists = evaluation["per_image"][path.name]
            bits = len(data) * 8 / original[..., 0].size
            assert lists["bpp"][index] == pytest.approx(bits, abs=1e-6)
            assert lists["psnr-rgb"][index] == pytest.approx(psnr(original, decoded), abs=1e-6)
            assert lists["ms-ssim-rgb"][index] == pytest.approx(
                ms_ssim(original, decoded), abs=1e-5
            )
            assert lists["encoding_time"][index] >= 0


def test_means_are_of_decibels_for_psnr_and_linear_for_ms_ssim(tmp_path):
    paths = [
        save_photograph(tmp_path / "a.png", 170, 200),
        save_photograph(tmp_path / "b.png", 190, 165),
    ]
    evaluation = run(PeerCodec(), paths, [1, 6])
    results, per_image = evaluation["results"], evaluation["per_image"].values()
    assert list(results) == list(KEYS)
    for index in range(2):
        for key in ("bpp", "psnr-rgb", "ms-ssim-rgb", "encoding_time", "decoding_time"):
            mean = sum(lists[key][index] for lists in per_image) / 2
            assert results[key][index] == pytest.approx(mean, abs=2e-6)
        decibels = -10 * math.log10(1 - results["ms-ssim-rgb"][index])
        assert results["ms-ssim-db-rgb"][index] == pytest.approx(decibels, abs=1e-3)


def test_ssimulacra2_is_one_more_list_where_asked_for(tmp_path):
    pytest.importorskip("ssimulacra2")
    paths = [
        save_photograph(tmp_path / "a.png", 60, 70),
        save_photograph(tmp_path / "b.png", 50, 90),
        save_photograph(tmp_path / "tiny.png", 7, 40),
    ]
    evaluation = evaluate_peer(peer_named("jpeg"), paths, [30, 90], ssimulacra2=True)
    assert list(evaluation["results"]) == [*KEYS, "ssimulacra2"]
    *known, tiny = (lists["ssimulacra2"] for lists in evaluation["per_image"].values())
    assert tiny == [None, None]
    for mean, *scores in zip(evaluation["results"]["ssimulacra2"], *known, strict=True):
        assert mean == pytest.approx(sum(scores) / 2, abs=2e-6)


def test_gray_is_coded_as_rgb_and_alpha_is_left_out(tmp_path):
    gray = save_photograph(tmp_path / "gray.png", 40, 50, mode="L")
    alpha = save_photograph(tmp_path / "alpha.png", 40, 50, mode="RGBA")
    codec = PeerCodec()
    evaluation = run(codec, [gray, alpha], [4])
    assert {shape for _, shape, _ in codec.calls} == {(40, 50, 3)}
    original = np.repeat(np.asarray(Image.open(gray))[..., None], 3, axis=2)
    decoded = codec.decode(codec.encode(Picture(original), 4).data).pixels
    expected = pytest.approx(psnr(original, decoded), abs=1e-6)
    assert evaluation["per_image"]["gray.png"]["psnr-rgb"] == [expected]


def test_the_first_picture_is_coded_once_before_the_clock_runs(tmp_path):
    paths = [save_photograph(tmp_path / f"{name}.png", 20, 20) for name in "ab"]
    codec = PeerCodec()
    steps = []
    run(codec, paths, [1, 3], lambda: steps.append(len(codec.calls)))
    assert [quality for what, _, quality in codec.calls if what == "encode"] == [1, 1, 3, 1, 3]
    assert steps == [4, 6, 8, 10]


def test_small_pictures_have_no_ms_ssim_and_do_not_spoil_the_mean(tmp_path):
    small = save_photograph(tmp_path / "small.png", 160, 400)
    large = save_photograph(tmp_path / "large.png", 161, 161)
    evaluation = run(PeerCodec(), [small, large], [3])
    assert evaluation["per_image"]["small.png"]["ms-ssim-rgb"] == [None]
    assert evaluation["per_image"]["small.png"]["ms-ssim-db-rgb"] == [None]
    assert (
        evaluation["results"]["ms-ssim-rgb"]
        == (evaluation["per_image"]["large.png"]["ms-ssim-rgb"])
    )


def test_a_lossless_codec_gives_null_and_valid_json(tmp_path):
    class Lossless:
        def encode(self, picture, quality):
            self.picture = picture
            return FakeEncoded(b"?")

        def decode(self, data):
            return self.picture

    evaluation = run(Lossless(), [save_photograph(tmp_path / "a.png", 200, 200)], [1])
    write_json(tmp_path / "out.json", evaluation)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    read = json.loads((tmp_path / "out.json").read_text("utf-8"), parse_constant=refuse)
    assert read == evaluation
    assert read["results"]["psnr-rgb"] == [None]
    assert read["results"]["ms-ssim-rgb"] == [1.0]
    assert read["results"]["ms-ssim-db-rgb"] == [None]


def test_peers_are_measured_in_the_same_form(tmp_path):
    path = save_photograph(tmp_path / "a.png", 60, 80)
    evaluation = evaluate_peer(peer_named("webp"), [path], [10, 60])
    ours = run(ExactCodec([(1.0, 30.0)]), [flat(tmp_path / "flat.png", 20, 20)], [1])
    assert set(evaluation) == set(ours)
    assert set(evaluation["results"]) == set(ours["results"])
    assert evaluation["name"] == "WebP"
    assert "libwebp" in evaluation["description"]
    assert evaluation["results"]["bpp"][0] < evaluation["results"]["bpp"][1]


def test_bits_a_pixel_count_every_byte_of_the_file(tmp_path):
    evaluation = run(ExactCodec([(2.5, 34.0)]), [flat(tmp_path / "flat.png", 80, 64)], [1])
    assert evaluation["results"]["bpp"] == [2.5]
    assert evaluation["results"]["psnr-rgb"] == [pytest.approx(34.0, abs=0.01)]


def test_what_cannot_be_evaluated_is_refused(tmp_path):
    path = save_photograph(tmp_path / "a.png", 10, 10)
    with pytest.raises(UsageError, match="nothing to evaluate"):
        run(PeerCodec(), [], [1])
    with pytest.raises(UsageError, match="nothing to evaluate"):
        run(PeerCodec(), [path], [])
    (tmp_path / "deeper").mkdir()
    twin = save_photograph(tmp_path / "deeper" / "a.png", 10, 10)
    with pytest.raises(UsageError, match="named alike"):
        run(PeerCodec(), [path, twin], [1])
    with pytest.raises(MediaError):
        run(PeerCodec(), [tmp_path / "absent.png"], [1])


def flat(path, height, width):
    Image.new("RGB", (width, height), (128, 128, 128)).save(path)
    return path


class LosslessFor:
    """Codes flat pictures exactly from quality 3 on, and others with an error that falls."""

    def encode(self, picture: Picture, quality: float) -> FakeEncoded:
        exact = (picture.pixels == picture.pixels[:1, :1]).all() and quality >= 3
        error = 0 if exact else 9 - int(quality)
        pixels = np.minimum(picture.pixels, 255 - error) + np.uint8(error)
        size = 100 + 50 * int(quality)
        return FakeEncoded(
            np.array(pixels.shape, np.uint16).tobytes() + pixels.tobytes() + bytes(size)
        )

    def decode(self, data: bytes) -> Picture:
        height, width, _ = np.frombuffer(data[:6], np.uint16)
        pixels = np.frombuffer(data[6 : 6 + height * width * 3], np.uint8)
        return Picture(pixels.reshape(height, width, 3))


def test_a_picture_that_comes_back_exact_leaves_the_others_their_psnr(tmp_path):
    flat, photograph = tmp_path / "flat.png", save_photograph(tmp_path / "photo.png", 30, 40)
    Image.new("RGB", (40, 30), (90, 80, 70)).save(flat)
    codec = LosslessFor()
    alone = run(codec, [photograph], [1, 2, 3, 4])
    both = run(codec, [flat, photograph], [1, 2, 3, 4])
    assert both["per_image"]["flat.png"]["psnr-rgb"][2:] == [None, None]
    assert both["results"]["psnr-rgb"] == alone["results"]["psnr-rgb"]
    rows = table_of_means(both)
    assert [row[2] for row in rows.rows] == [row[2] for row in table_of_means(alone).rows]
    assert "Pictures that came back exact, 1 of 2, are not in the mean PSNR." in rows.notes

    exact = run(codec, [flat], [1, 3])
    assert exact["results"]["psnr-rgb"][1] is None
    assert [row[2] for row in table_of_means(exact).rows][1] == "exact"


def test_rates_at_equal_psnr_are_those_of_the_same_pictures(tmp_path):
    flat, photograph = tmp_path / "flat.png", save_photograph(tmp_path / "photo.png", 90, 80)
    Image.new("RGB", (80, 90), (90, 80, 70)).save(flat)
    qualities, sweep, jpeg = [1, 2, 3, 4, 5, 6, 7], range(1, 98, 8), peer_named("jpeg")
    rates = []
    for paths in ([photograph], [flat, photograph]):
        ours = run(LosslessFor(), paths, qualities)
        rates.append(compare_pictures(ours, evaluate_peer(jpeg, paths, sweep)))
    alone, both = rates
    assert alone["psnr"]["mean"] is not None, alone
    assert both["psnr"]["mean"] == pytest.approx(alone["psnr"]["mean"], abs=0.02)
    assert both["psnr"]["without"] == ["flat.png"]
    assert table_of_rates({"jpeg": both}).notes[-1].endswith("came back exact (1).")
