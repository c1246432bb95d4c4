import math

import pytest

from flowcodec.errors import UsageError
from flowcodec.evaluation.bd_rate import (
    MEASURES,
    MS_SSIM_RANGE,
    PSNR_RANGE,
    bd_rate,
    bd_rate_between,
    compare,
)
from flowcodec.evaluation.peers import is_kodak, published_curves
from flowcodec.evaluation.tables import table_of_rates

RATE = [0.1, 0.2, 0.35, 0.6, 1.0, 1.7]
QUALITY = [28.0, 30.1, 32.3, 34.2, 36.4, 38.9]


def test_identical_curves_are_equal():
    assert bd_rate(RATE, QUALITY, RATE, QUALITY, *PSNR_RANGE) == 0


@pytest.mark.parametrize("factor", [0.9, 1.25])
def test_a_constant_factor_of_rate_comes_back(factor):
    scaled = [rate * factor for rate in RATE]
    result = bd_rate(scaled, QUALITY, RATE, QUALITY, *PSNR_RANGE)
    assert result == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_a_saving_outside_the_range_does_not_count():
    cheap_end = [*RATE[:-1], RATE[-1] / 2]
    assert bd_rate(cheap_end, QUALITY, RATE, QUALITY, 28, 30) == pytest.approx(0, abs=1e-9)
    assert bd_rate(cheap_end, QUALITY, RATE, QUALITY, 37, 38.9) < -10


def test_the_order_of_points_does_not_matter():
    shuffled = [4, 0, 5, 2, 1, 3]
    rate, quality = [RATE[i] for i in shuffled], [QUALITY[i] for i in shuffled]
    assert bd_rate(rate, quality, RATE, QUALITY, *PSNR_RANGE) == 0


def test_agrees_with_another_implementation_where_the_ranges_are_equal():
    bjontegaard = pytest.importorskip("bjontegaard")
    other_quality = [28.0, 30.6, 33.1, 34.8, 37.2, 38.9]
    theirs = bjontegaard.bd_rate(RATE, QUALITY, RATE, other_quality, method="akima")
    ours = bd_rate(RATE, other_quality, RATE, QUALITY, 28.0, 38.9)
    assert ours == pytest.approx(theirs, abs=0.05)
    assert abs(ours) > 5


def test_a_curve_that_does_not_span_the_range_is_refused():
    with pytest.raises(UsageError, match=r"the curve spans 28.00 to 34.20,.* 30.5 to 36.5"):
        bd_rate(RATE[:4], QUALITY[:4], RATE, QUALITY, *PSNR_RANGE)
    with pytest.raises(UsageError, match=r"the peer's curve spans 32.30 to 38.90,"):
        bd_rate(RATE, QUALITY, RATE[2:], QUALITY[2:], *PSNR_RANGE)


@pytest.mark.parametrize(
    ("rate", "quality"),
    [
        ([0.0, *RATE[1:]], QUALITY),
        (RATE, [*QUALITY[:-1], math.inf]),
        (RATE, [*QUALITY[:-1], math.nan]),
        (RATE, [28.0, 30.1, 30.1, 34.2, 36.4, 38.9]),
        (RATE[:3], QUALITY),
        ([], []),
    ],
)
def test_curves_that_mean_nothing_are_refused(rate, quality):
    with pytest.raises(UsageError, match="the curve"):
        bd_rate(rate, quality, RATE, QUALITY, *PSNR_RANGE)


def test_points_without_a_value_are_left_out():
    results = {"bpp": RATE, "psnr-rgb": QUALITY}
    lossless_end = {"bpp": [*RATE, 9.0], "psnr-rgb": [*QUALITY, None]}
    assert bd_rate_between(lossless_end, results, "psnr") == 0


def test_compare_says_why_a_measure_is_missing():
    results = {"bpp": RATE, "psnr-rgb": QUALITY, "ms-ssim-db-rgb": [None] * len(RATE)}
    rates = compare(results, published_curves()["BPG 4:4:4"].results)
    assert isinstance(rates["psnr"]["mean"], float)
    assert rates["ms-ssim"]["mean"] is None
    assert "two or more points" in rates["ms-ssim"]["reason"]


def test_planes_are_compared_where_ours_have_them():
    ours = {"bpp": RATE, "psnr-rgb": QUALITY, "psnr-yuv": [q + 2 for q in QUALITY]}
    theirs = {**ours, "bpp": [2 * rate for rate in RATE]}
    assert compare(ours, theirs)["psnr-yuv"]["mean"] == pytest.approx(-50)
    without = published_curves()["BPG 4:4:4"].results
    assert "psnr-yuv" not in compare(ours, without) | compare(without, ours)


def test_ssimulacra2_is_compared_where_both_have_it():
    ours = {"bpp": RATE, "psnr-rgb": QUALITY, "ssimulacra2": [20, 40, 55, 65, 75, 85]}
    theirs = {**ours, "bpp": [2 * rate for rate in RATE]}
    without = published_curves()["BPG 4:4:4"].results
    rates = {"peer": compare(ours, theirs), "BPG": compare(ours, without)}
    assert rates["peer"]["ssimulacra2"]["mean"] == pytest.approx(-50)
    table = table_of_rates(rates)
    assert table.headings[-1] == "SSIMULACRA2 30-80"
    assert [row[-1] for row in table.rows] == ["-50.0 %", "-"]
    assert table.notes == []


@pytest.mark.parametrize(
    ("curve", "percent"),
    [
        ("JPEG", 125),
        ("JPEG 2000", 52),
        ("WebP", 44),
        ("Ballé 2018 factorized", 33),
        ("Ballé 2018 hyperprior", 3),
        ("BPG 4:4:4", 0),
        ("AV1", -8),
        ("Cheng 2020", -18),
        ("VTM 9.1", -21),
        ("HPCM-Large", -36),
    ],
)
def test_published_curves_against_bpg_on_kodak(curve, percent):
    curves = published_curves()
    assert round(bd_rate_between(curves[curve].results, curves["BPG 4:4:4"].results, "psnr")) == (
        percent
    )


def test_published_ms_ssim_is_decibels_of_the_linear_mean():
    low, high = MS_SSIM_RANGE
    with_ms_ssim = [c for c in published_curves().values() if "ms-ssim-rgb" in c.results]
    assert len(with_ms_ssim) == 11
    for curve in with_ms_ssim:
        for linear, decibels in zip(
            curve.results["ms-ssim-rgb"], curve.results["ms-ssim-db-rgb"], strict=True
        ):
            # Linear values carry six digits: near 1 that is a coarse step in dB.
            step = 4.4e-6 / (1 - linear)
            assert decibels == pytest.approx(-10 * math.log10(1 - linear), abs=step + 1e-4)
    peer = published_curves()["BPG 4:4:4"].results[MEASURES["ms-ssim"].key]
    assert peer[0] < low < high < peer[-1]


def test_published_curves_name_their_sources():
    for curve in published_curves().values():
        assert set(curve.source) == {"repo", "path", "snapshot"}
        lengths = {len(values) for values in curve.results.values()}
        assert len(lengths) == 1
        assert curve.results["bpp"] == sorted(curve.results["bpp"])


def test_kodak_is_known_by_its_names(tmp_path):
    kodak = [tmp_path / f"kodim{n:02}.png" for n in range(24, 0, -1)]
    assert is_kodak(kodak)
    assert not is_kodak(kodak[:-1])
    assert not is_kodak([*kodak, tmp_path / "kodim25.png"])
