"""A scan on the terminal: one screen, the most severe first, values shown only where they may be."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from sandbox.manifest.scan import Finding, ScanDocument, ScannedTable
from sandbox.report.terminal.scan import MAX_FINDINGS, render_scan


def printed(*findings: Finding, not_scanned: tuple[str, ...] = ()) -> str:
    found = ScanDocument(
        scanned="2026-06-01T12:00:00+00:00",
        tables={"orders": ScannedTable(files=1, bytes=1000, rows=50, columns=3)},
        findings=list(findings),
        not_scanned=list(not_scanned),
    )
    console = Console(file=io.StringIO(), width=200, markup=False)
    console.print(render_scan(found))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def finding(**given: Any) -> Finding:
    return Finding.model_validate(
        {"kind": "mixed", "severity": "warning", "table": "orders", "message": "orders.x is odd"} | given
    )


def test_a_clean_source_is_one_line() -> None:
    assert printed() == "1 table, 50 rows, 1.0 kB: nothing looks broken\n"


def test_findings_are_counted_and_shown_with_share_and_examples() -> None:
    text = printed(finding(severity="error", share=0.25, examples=[["a\n", None]]), finding(severity="note"))
    assert "1 error, 1 note" in text.splitlines()[0]
    assert "orders.x is odd (25.0 %); for example a↵, NULL" in text


def test_values_that_may_be_personal_are_said_to_be_withheld() -> None:
    assert "values not shown" in printed(finding(hidden=True))


def test_many_findings_still_fit_one_screen() -> None:
    text = printed(*[finding()] * 200)
    assert len(text.splitlines()) <= MAX_FINDINGS + 3
    assert "175 more findings; all of them: sandbox scan --json" in text


def test_tables_that_were_not_looked_at_are_named() -> None:
    assert "does not name them: a⟨U+001B⟩, b" in printed(not_scanned=("a\x1b", "b"))
