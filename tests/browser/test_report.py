"""The report as people see it: in a browser, on a phone, in the dark, and with values that would like to be code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Opener
    from tests.conftest import Shop

HOSTILE = (
    "</td></style><script>alert(1)</script><img src=x onerror=alert(2)> \u202eevil\u2066 \x1b[31m \x07 & \"'"
)

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


@pytest.fixture
def judged(shop: Shop) -> Path:
    """Give the report of a change that breaks the gate."""
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


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 390])
def test_it_opens_without_an_error_or_a_request(
    judged: Path, opener: Opener, *, width: int, dark: bool
) -> None:
    opened = opener(judged, width=width, dark=dark)
    assert opened.said == []
    assert opened.asked_for == []
    assert opened.overflow() == 0
    assert opened.page.locator("h1").inner_text().startswith("value: ")
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


def test_it_prints_on_pages(judged: Path, opener: Opener, tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    opener(judged).page.pdf(path=target, format="A4")
    assert target.read_bytes().startswith(b"%PDF-")
