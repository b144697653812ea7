"""The report as people see it: in a browser, on a phone, in the dark, and with values that would like to be code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from sandbox.report.html.page import render_html
from tests.browser.documents import HOSTILE, build_document, everything
from tests.projects import create_customer_shop

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.diff import OutputDiff
    from tests.browser.conftest import Opened, Opener
    from tests.projects import Shop

PIPELINE = """\
import os

import pyarrow as pa
import pyarrow.parquet as pq

mark = ''
text = HOSTILE
column = '<script>alert(3)</script>\\u202e" onmouseover=alert(5)'
table = pa.table({"id": [1, 2, 3], column: [text + mark, "x" * 10_000_000 + mark, "same"], "plain": ["a", "b", text + mark]})
pq.write_table(table, os.path.join(os.environ["SANDBOX_OUTPUT"], "t <img src=x onerror=alert(4)>&'.parquet"))
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, sandbox_home: Path) -> Path:
    """Give the report of a change that breaks the gate."""
    shop = create_customer_shop(tmp_path_factory.mktemp("judged"), sandbox_home)
    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount) filter (amount > 5), 0)")
    found = shop.run("diff", "--json")
    assert found.status == 1, found.stderr
    return shop.root.__class__(found.json["report"])


@pytest.fixture
def hostile(shop: Shop) -> Path:
    """Give the report on an output whose values, columns and name would like to be code."""
    pipeline = shop.root / "pipeline.py"
    pipeline.write_text(PIPELINE.replace("HOSTILE", repr(HOSTILE)))
    shop.edit("sandbox.toml", '[outputs.value]\nkey = ["customer_id"]\n', "")
    shop.git("commit", "-am", "values that would like to be code")
    shop.edit("pipeline.py", "mark = ''", "mark = '!'")
    found = shop.run("diff", "--json")
    assert found.status == 1, found.stderr
    return shop.root.__class__(found.json["report"])


def written(outputs: dict[str, OutputDiff], target: Path, *, text: str = "a test") -> Path:
    """Write the report of a comparison that found all this."""
    target.write_text(render_html(build_document(outputs, text=text)), "utf-8")
    return target


def unfold(opened: Opened) -> None:
    """Unfold all that is folded, as a reader would with the keyboard."""
    folded = opened.page.locator("details:not([open]) > summary")
    while folded.count():
        folded.first.focus()
        opened.page.keyboard.press("Enter")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 390])
def test_every_section_is_accessible_also_unfolded(tmp_path: Path, opener: Opener, *, width: int, dark: bool) -> None:
    outputs = {f"output_{place}": everything("lifetime_value", "10.00") for place in range(6)}
    opened = opener(written(outputs, tmp_path / "report.html"), width=width, dark=dark)
    for _ in range(2):
        found = Axe().run(opened.page)
        assert found.violations_count == 0, found.generate_report()
        assert opened.overflow() == 0
        assert opened.cut_tables() == []
        unfold(opened)
    assert opened.page.locator("details:not([open])").count() == 0
    assert opened.page.locator("figure.chart svg").first.is_visible()
    for link in opened.page.locator("a").all():
        link.click()
    assert opened.page.locator("#o6").is_visible()
    assert opened.said == []
    assert opened.asked_for == []


def test_the_first_screen_answers_the_question(tmp_path: Path, opener: Opener) -> None:
    outputs = {f"output_{place}": everything("lifetime_value", "10.00") for place in range(50)}
    report = written(outputs, tmp_path / "report.html")
    assert report.stat().st_size < 1_000_000
    page = opener(report).page
    for seen in ("header h1", "header .pill", "header .gauge", "header .estimate", ".tiles"):
        box = page.locator(seen).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900, seen
    assert "about 2,800 of 120,000 customers" in page.locator("header .estimate").inner_text()
    ends = [one.bounding_box() for one in page.locator("header .axis .end").all()]
    point, axis = (page.locator(f"header .axis{what}").bounding_box() for what in (" .point", ""))
    assert point
    assert axis
    assert ends[0]
    assert ends[1]
    middle = point["x"] + point["width"] / 2
    assert axis["x"] < ends[0]["x"] < middle < ends[1]["x"] < axis["x"] + axis["width"]
    # The axis ends at 4 %, the estimate is 2,800 of 120,000.
    assert (middle - axis["x"]) / axis["width"] == pytest.approx(2800 / 120_000 / 0.04, abs=0.01)


def test_a_phone_shows_both_values_of_an_example_and_every_interval(tmp_path: Path, opener: Opener) -> None:
    page = opener(written({"o": everything("lifetime_value", "90859.72")}, tmp_path / "r.html"), width=390).page
    for seen in (".pair .was", ".pair .is", ".figures td:nth-child(3)"):
        boxes = [one.bounding_box() for one in page.locator(seen).all() if one.is_visible()]
        assert boxes
        assert all(box and box["x"] + box["width"] <= 390 for box in boxes), seen


def test_every_section_shows_code_as_text(tmp_path: Path, opener: Opener) -> None:
    outputs = {HOSTILE: everything(HOSTILE, HOSTILE), f"{HOSTILE} 2": everything(HOSTILE * 40, HOSTILE * 40)}
    for width in (1200, 390):
        opened = opener(written(outputs, tmp_path / "report.html", text=HOSTILE), width=width)
        unfold(opened)
        assert opened.said == []
        assert opened.asked_for == []
        assert opened.overflow() == 0
        assert width > 390 or opened.cut_tables() == []
        assert opened.page.locator("script, img, iframe, object").count() == 0
        text = opened.page.locator("body").inner_text()
        assert "\u202e" not in text
        assert "\x1b" not in text
        for section in (
            ".where",
            ".chart .label",
            ".chart figcaption",
            ".pair",
            ".noise",
            "dl",
            ".notes",
            "td.name",
        ):
            said = " ".join(opened.page.locator(section).all_inner_texts())
            assert "<script>alert(1)</script>" in said, section


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 390])
def test_it_opens_without_an_error_or_a_request(judged: Path, opener: Opener, *, width: int, dark: bool) -> None:
    opened = opener(judged, width=width, dark=dark)
    assert opened.said == []
    assert opened.asked_for == []
    assert opened.overflow() == 0
    assert opened.page.locator("h1").inner_text().startswith("value: ")
    assert "In production about" in opened.page.locator("header .estimate").inner_text()
    assert opened.page.locator("header .gauge").is_visible()
    links = opened.page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
    for link in links:
        assert link.startswith("#"), "a link leads out of the file"
        assert opened.page.locator(f"[id='{link[1:]}']").count() == 1
    shade = opened.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(shade) < 3 * 128) is dark


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible(judged: Path, opener: Opener, *, dark: bool) -> None:
    found = Axe().run(opener(judged, dark=dark).page)
    assert found.violations_count == 0, found.generate_report()


def test_values_that_would_like_to_be_code_are_text(hostile: Path, opener: Opener) -> None:
    assert hostile.stat().st_size < 1_000_000
    for width in (1200, 390):
        opened = opener(hostile, width=width)
        assert opened.said == []
        assert opened.asked_for == []
        assert opened.overflow() == 0
        assert opened.page.locator("script, img, iframe, object").count() == 0
        text = opened.page.locator("body").inner_text()
        assert "<script>alert(1)</script>" in text
        assert "<script>alert(3)</script>" in text
        assert "\u202e" not in text
        assert "\x1b" not in text


def test_nothing_is_cut_off_on_paper(tmp_path: Path, opener: Opener) -> None:
    """What does not fit cannot be scrolled to there."""
    outputs = {"o": everything("a_rather_long_column", "90859.72")}
    for width in (700, 640):  # A4 with small and wide margins, in CSS's pixels
        page = opener(written(outputs, tmp_path / "report.html"), width=width).page
        page.emulate_media(media="print")
        edges = [one.bounding_box() for one in page.locator("table, .bar, .chart, .gauge").all() if one.is_visible()]
        assert len(edges) > 5
        assert all(box and box["x"] + box["width"] <= width for box in edges)


def test_it_prints_on_pages(judged: Path, opener: Opener, tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    opener(judged).page.pdf(path=target, format="A4")
    assert target.read_bytes().startswith(b"%PDF-")
