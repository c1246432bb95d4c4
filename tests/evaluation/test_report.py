"""The page that `flowcodec bench --report` writes, read as a file and opened in a browser."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowcodec.evaluation import report
from flowcodec.evaluation.comparison import Comparison
from flowcodec.evaluation.peers import curves_named, peer_named
from flowcodec.evaluation.report import Compared, code_pictures, pictures_to_show, write_report
from flowcodec.evaluation.results import Evaluation, Measurement, collect
from tests.evaluation.browser import dom_of
from tests.evaluation.fakes import PeerCodec, save_photograph

PEER_NAMES = ("jpeg", "webp")
MOVE = """<script>
const range = document.querySelector("input[type=range]");
range.value = 20;
range.dispatchEvent(new Event("input"));
document.querySelector("input[value='2']").click();
</script>"""


class Page(HTMLParser):
    """The elements of a page: (tag, attributes)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of each such element that has the wanted ones."""
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and wanted.items() <= attributes.items()
        ]


def an_evaluation(name: str, description: str, rate: float) -> Evaluation:
    points = [
        Measurement(rate * 2**step, 28.0 + 3 * step, 1 - 10 ** -(1 + 0.3 * step), 50, 0.1, 0.1)
        for step in range(5)
    ]
    return collect(name, description, [1, 2, 3, 4, 5], {"one.png": points})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Compared]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [save_photograph(folder / f"{name}.png", 90, 400) for name in ("hill", "lake")]
    peers = [peer_named(name) for name in PEER_NAMES]
    return list(code_pictures(PeerCodec(), "ours", paths, peers, lambda: None))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, pictures: list[Compared]) -> Path:
    comparison = Comparison(
        ours=an_evaluation("ours", "<made> & measured", 0.1),
        peers={name: an_evaluation(name.upper(), f"lib{name} 1.0", 0.2) for name in PEER_NAMES},
        published=curves_named(["bpg", "hpcm"]),
        data="photos",
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, comparison, pictures)
    return path


def test_the_page_asks_for_nothing_outside(page: Path) -> None:
    text = page.read_text("utf-8")
    parsed = Page(text)
    for tag, attributes in parsed.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
        assert tag not in ("iframe", "object", "embed")
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttp", text)
    [policy] = parsed.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert (policy["content"] or "").startswith("default-src 'none'; img-src data:;")


def test_the_page_says_what_was_measured_and_how(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "&lt;made&gt; &amp; measured" in text
    assert "libjpeg 1.0" in text and "libwebp 1.0" in text
    assert "InterDigitalInc/CompressAI, results/image/kodak/bpg_444_x265_ycbcr.json" in text
    assert text.count("-50.0 %") == 4  # half the rate of either, by both measures
    assert "HPCM-Large (published), ms-ssim: the peer" in text
    assert "1 picture of photos" in text
    assert text.count("<svg") == 3  # PSNR, MS-SSIM, SSIMULACRA2
    assert "SSIMULACRA2" in text and "currentColor" in text


def test_the_pictures_are_what_was_decoded(page: Path, pictures: list[Compared]) -> None:
    parsed = Page(page.read_text("utf-8"))
    originals = parsed.all("img", **{"class": "original"})
    assert len(originals) == len(pictures) == 2
    for index, compared in enumerate(pictures):
        shown = decoded(originals[index])
        assert shown.shape == (90, report.SHOWN, 3)
        left = next(
            x for x in range(81) if (compared.original[:, x : x + report.SHOWN] == shown).all()
        )
        for number, shot in enumerate(compared.shots):
            image = parsed.all("img", **{"data-shot": str(number)})[index]
            assert (decoded(image) == shot.pixels[:, left : left + report.SHOWN]).all()
            assert image["alt"] == f"{compared.name}, {shot.codec}"
            assert f"{len(shot.data):,} bytes" in page.read_text("utf-8")


def test_a_browser_runs_the_slider_and_the_choice(page: Path, tmp_path: Path) -> None:
    untouched = Page(dom_of(page, tmp_path / "profile"))
    assert [stage["style"] for stage in untouched.all("div", **{"class": "stage"})] == [
        "--at: 50%;"
    ] * 2
    moved = tmp_path / "moved.html"
    moved.write_text(page.read_text("utf-8").replace("</body>", f"{MOVE}</body>"), "utf-8")
    after = Page(dom_of(moved, tmp_path / "profile"))
    assert [stage["style"] for stage in after.all("div", **{"class": "stage"})] == [
        "--at: 20%;",
        "--at: 50%;",
    ]
    visible = [image for image in after.all("img") if "hidden" not in image]
    assert [image.get("data-shot") for image in visible] == ["2", None] * 2


def test_large_pictures_are_coded_in_their_middle(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(report, "CODED", 40)
    path = save_photograph(tmp_path / "wide.png", 30, 100)
    codec = PeerCodec()
    [compared] = code_pictures(codec, "ours", [path], [peer_named("jpeg")], lambda: None)
    whole = np.asarray(Image.open(path))
    assert (compared.original == whole[:, 30:70]).all()
    assert {shape for _, shape, _ in codec.calls} == {(30, 40, 3)}


@pytest.mark.parametrize(
    ("count", "chosen"), [(1, [0]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (24, [3, 9, 15, 21])]
)
def test_the_pictures_shown_are_spread_over_the_list(count: int, chosen: list[int]) -> None:
    paths = [Path(f"{number}.png") for number in range(count)]
    assert pictures_to_show(paths) == [paths[index] for index in chosen]


def decoded(image: dict[str, str | None]) -> np.ndarray:
    """The pixels of an <img> with a data address."""
    kind, _, data = (image["src"] or "").partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
