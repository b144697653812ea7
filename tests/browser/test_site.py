"""The pages of a project's history and status in a browser, with values that would like to be code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from sandbox.manifest.diff import DataTestResult
from sandbox.manifest.production.data_tests import ProductionTests
from sandbox.manifest.production.scores import Score, ScoredFigure
from sandbox.production.scores.outcomes import assess_calibration
from sandbox.promotion.statement import Promotion
from sandbox.provisioner.doctor.check import DoctorCheck
from sandbox.report.site.contents import SiteContents, SiteDiff, SiteTests
from sandbox.report.site.pages import PAGES, render_page
from tests.browser.documents import HOSTILE, build_document, everything

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Opener

MOMENT = "2026-11-22T19:03:00+00:00"


def build_contents(text: str) -> SiteContents:
    """A project with something on every page."""
    documents = [
        build_document({text: everything(text, text), "b": everything("b", "1")}, text=text),
        build_document({text: everything(text, text)}, text=text).model_copy(update={"verdict": "same"}),
    ]
    figure = ScoredFigure(
        output=text,
        figure=f"total {text}",
        status="estimated",
        estimate=2.0,
        low=1.0,
        high=3.0,
        truth=2.5,
        outcome="hit",
    )
    untold = figure.model_copy(update={"outcome": "untold", "reason": text, "truth": None})
    score = Score(
        scored=MOMENT,
        diff=text,
        tree="aa" * 20,
        promoted=MOMENT,
        before=text,
        after=text,
        figures=[figure, untold],
        counted=0,
    )
    side = {"ref": text, "commit": None, "tree": "aa" * 20, "lock": None, "rules": "r"}
    promotion = Promotion.model_validate(
        {
            "diff": text, "created": MOMENT, "by": text, "reason": text, "verdict": "within_gate", "baseline": side,
            "candidate": side, "environment": {}, "sample": {}, "gate": [], "accepted_rules": [], "figures": {},
        }
    )  # fmt: skip
    test = DataTestResult(name=text, baseline_failures=None, candidate_failures=1, outcome="failed")
    tests = ProductionTests(
        id="t1", created=MOMENT, project=text, place=text, verdict="broken", seconds=1.0, outputs={}, tests=[test]
    )
    held = {"created": MOMENT, "running": [text], "memory_bytes": 5, "sample_bytes": None, "environment_bytes": 7}
    return SiteContents(
        project=text,
        made=MOMENT,
        diffs=[
            SiteDiff(document=document, page=f"diffs/{place}/report.html") for place, document in enumerate(documents)
        ],
        samples=[],
        promotions=[promotion],
        scores=[score],
        calibration=assess_calibration([score]),
        tests=[SiteTests(document=tests, page="tests/t1/report.html")],
        sandboxes={"sandboxes": [{"name": text, **held}], "runs": 2, "runs_bytes": 10, "state_bytes": 20},
        checks=[
            DoctorCheck(name=text, ok=False, detail=text, fix=text),
            DoctorCheck(name="git", ok=True, detail="git version 2.39.5"),
            DoctorCheck(name="engine", ok=None, detail="not asked"),
        ],
        problems={text: text},
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_accessible_fits_and_shows_code_as_text(tmp_path: Path, opener: Opener, page: str) -> None:
    file = tmp_path / page
    for text in ("shop", HOSTILE):
        file.write_text(render_page(build_contents(text), page), "utf-8")
        for width, dark in ((1200, False), (1200, True), (390, False)):
            opened = opener(file, width=width, dark=dark)
            assert opened.said == []
            assert opened.asked_for == []
            assert opened.overflow() == 0
            assert opened.cut_tables() == []
            found = Axe().run(opened.page)
            assert found.violations_count == 0, found.generate_report()
            assert opened.page.locator("script, img, iframe, object").count() == 0
    opened = opener(file, width=700)
    opened.page.emulate_media(media="print")
    assert opened.overflow() == 0
    shown = opened.page.locator("body").inner_text()
    assert "<script>alert(1)</script>" in shown
    assert "\u202e" not in shown
