"""Methods over pairs of known flow: figures known beforehand, cost, and our own network."""

from pathlib import Path

import numpy as np
import pytest

from flowcodec.cli.main import main
from flowcodec.errors import UsageError
from flowcodec.evaluation.flow.methods import FLOW_PEERS, ZERO, FlowMethod, flow_peer
from flowcodec.evaluation.flow.run import Cost, Runner, evaluate_pairs, mean_cost
from flowcodec.media.flow_sets import find_pairs
from flowcodec.models.flow_deeppynet.config import PRESETS
from flowcodec.models.flow_deeppynet.model import DeepPyNet
from flowcodec.training.networks import export
from tests.evaluation.moving import moving_texture, save_pair

SHARED = Path(__file__).parents[3] / "shared" / "data" / "eval" / "flow"

# Of OpenCV 5.0.0, by a script apart from this package: EPE, Fl-all in percent, errors above 1.
KNOWN = {
    "flyingchairs": {
        "zero": (13.787, 64.57, 98.80),
        "dis-ultrafast": (5.268, 30.13, 47.34),
        "dis-medium": (5.380, 22.77, 32.81),
        "farneback": (9.327, 44.55, 62.10),
    },
    "kitti2012": {
        "zero": (10.654, 78.87, 94.67),
        "dis-ultrafast": (1.091, 7.30, 25.96),
        "dis-medium": (0.902, 7.36, 17.44),
        "farneback": (5.050, 36.03, 48.32),
    },
    "kitti2015": {
        "zero": (51.010, 96.50, 99.79),
        "dis-ultrafast": (42.017, 66.13, 84.18),
        "dis-medium": (38.488, 54.90, 67.26),
        "farneback": (46.292, 69.05, 81.00),
    },
    "middlebury": {
        "zero": (4.484, 42.15, 84.64),
        "dis-ultrafast": (0.826, 5.01, 19.95),
        "dis-medium": (0.418, 2.22, 7.85),
        "farneback": (1.553, 16.53, 30.92),
    },
    "piv": {
        "zero": (1.697, 20.23, 57.76),
        "dis-ultrafast": (0.665, 1.49, 23.97),
        "dis-medium": (0.316, 0.02, 7.36),
        "farneback": (0.269, 0.03, 5.19),
    },
    "sintel_clean": {
        "zero": (8.330, 55.52, 79.09),
        "dis-ultrafast": (1.363, 9.19, 20.06),
        "dis-medium": (0.921, 5.81, 10.72),
        "farneback": (2.807, 20.75, 34.15),
    },
    "sintel_final": {
        "zero": (28.138, 99.12, 99.55),
        "dis-ultrafast": (12.068, 49.34, 68.82),
        "dis-medium": (11.091, 40.09, 55.84),
        "farneback": (23.569, 82.12, 91.65),
    },
}


def test_figures_of_real_pairs_are_those_known_beforehand():
    pytest.importorskip("cv2")
    if not SHARED.is_dir():
        pytest.skip("the flow pairs are not here: put them into ../shared/data beside the clone")
    data_sets = find_pairs(SHARED)
    methods = [ZERO, *(flow_peer(name) for name in FLOW_PEERS)]
    results = evaluate_pairs(methods, data_sets)
    assert set(results) == set(KNOWN)
    for data_set, known in KNOWN.items():
        for name, (epe, fl_all, over_one) in known.items():
            errors = results[data_set][name].mean.errors
            where = f"{data_set}, {name}"
            assert errors.known.epe == pytest.approx(epe, rel=0.002, abs=0.001), where
            assert errors.fl_all == pytest.approx(fl_all, abs=0.02), where
            assert errors.over[1] == pytest.approx(over_one, abs=0.02), where
    sintel = results["sintel_final"]["dis-medium"].mean.errors
    assert sintel.matched.epe < sintel.known.epe < sintel.unmatched.epe
    assert results["middlebury"]["zero"].mean.errors.matched is None


def test_multiply_adds_are_those_of_the_method():
    first, second = moving_texture(20, 24, (1, 0), frames=2)
    method = FlowMethod("net", "net", "", ZERO.flow, kmacs=2.5)
    assert Runner(method)(first, second)[1].kmacs == 2.5
    assert Runner(ZERO)(first, second)[1].kmacs is None
    assert mean_cost([Cost(1, 2), Cost(2, None), Cost(3, 4)]) == Cost(2, 3)


def test_each_size_runs_once_before_the_clock_counts():
    shapes = []

    def flow(a, b):
        shapes.append(a.shape[:2])
        return np.zeros((*a.shape[:2], 2), np.float32)

    runner = Runner(FlowMethod("net", "net", "", flow))
    for height in (16, 16, 20, 16):
        runner(*moving_texture(height, 16, (1, 0), frames=2))
    assert [height for height, _ in shapes] == [16, 16, 16, 20, 20, 16]


def test_a_pair_that_fails_is_named(tmp_path):
    save_pair(tmp_path / "chalk" / "one", 32, 40, (1, 0))
    broken = FlowMethod("net", "net", "", lambda a, b: np.full((32, 40, 2), np.nan, np.float32))
    with pytest.raises(UsageError, match="chalk/one, net: .* not finite"):
        evaluate_pairs([broken], find_pairs(tmp_path))


def test_the_command_measures_our_network(tmp_path, capsys):
    save_pair(tmp_path / "chalk" / "one", 33, 50, (1, 0))
    weights = tmp_path / "tiny.safetensors"
    export("flow-deeppynet", DeepPyNet(PRESETS["tiny"]), "epe", weights)
    words = ["--model", "flow-deeppynet", "--weights", str(weights), "--against", ""]
    assert main(["eval", *words, "--data", str(tmp_path), "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    [row] = [line for line in printed.splitlines() if line.startswith("│ flow-deeppynet")]
    assert float(row.strip("│ ").split("│")[-1]) > 0  # its multiply-adds
