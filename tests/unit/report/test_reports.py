"""The same finding on the terminal, as HTML and as a comment; whatever names and values hold."""

from __future__ import annotations

import html.parser
import io
import re
from typing import Any

import pytest
from rich.console import Console

from sandbox.manifest.diff import (
    ColumnChanges,
    DiffDocument,
    EnvironmentReference,
    Estimate,
    Example,
    GateResult,
    Key,
    OutputDiff,
    Rows,
    SampleReference,
    SchemaChanges,
    Side,
    TypeChange,
    UnitsAffected,
)
from sandbox.report.findings import headline
from sandbox.report.html import html as html_report
from sandbox.report.markdown import comment
from sandbox.report.terminal import render

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)> \u202e\x1b[31m\r\n|`@you` #1 [red]x[/red] {{7*7}} https://evil.example www.evil.example"


def side(ref: str, **fields: Any) -> Side:
    given = {"run": "r1", "commit": "4f2a9c1be07d5533", "tree": "aa" * 20, "cached": False, "seconds": 12.3}
    return Side(ref=ref, **{**given, "cpu_seconds": 20.0, "peak_memory_bytes": 412_000_000, **fields})


def output(name: str = "v", value: Any = "10.00", units: int = 398, **fields: Any) -> OutputDiff:
    rows = Rows(baseline=20311, candidate=20311, added=0, removed=0, changed=412, unchanged=19899)
    changed = Example(kind="changed", key={name: 7}, baseline={name: value}, candidate={name: None})
    added = Example(kind="added", key={name: 8}, baseline=None, candidate={name: value})
    given = {
        "status": "compared",
        "identical": False,
        "key": Key(columns=[name], source="inferred"),
        "rows": rows,
        "columns": {
            name: ColumnChanges(
                changed=412, match_rate=0.98, mean_change=-1.5, max_change=-3, total_change=-618
            )
        },
        "examples": [changed, added],
        "estimate": Estimate(
            status="not_estimated",
            reason="not yet",
            unit="customers",
            units_affected=UnitsAffected(status="not_estimated", sample=units),
        ),
    }
    return OutputDiff.model_validate({**given, **fields})


def same() -> OutputDiff:
    rows = Rows(baseline=5, candidate=5, added=0, removed=0, changed=0, unchanged=5)
    return output(rows=rows, columns={}, examples=[], units=0)


def document(outputs: dict[str, OutputDiff], **fields: Any) -> DiffDocument:
    gate = [
        GateResult(rule="changed_rows", output=name, limit="0 %", held=one.same, found="2.03 %")
        for name, one in outputs.items()
    ]
    given = {
        "id": "d1",
        "created": "2026-11-22T19:03:00+00:00",
        "project": "shop",
        "verdict": "outside_gate",
        "baseline": side("main", cached=True),
        "candidate": side("working tree"),
        "sample": SampleReference(
            fingerprint="c0ffee" * 10,
            drawn="2026-11-20T08:00:00+00:00",
            units={"customers": 500},
            population={"customers": 50000},
        ),
        "environment": EnvironmentReference(
            id="ab" * 32, runtime="docker", base="b", candidate_id="ab" * 32, isolated=True
        ),
        "outputs": outputs,
        "tests": [],
        "gate": gate,
        "warnings": [],
        "report": "/project/.sandbox/diffs/d1/report.html",
    }
    return DiffDocument.model_validate({**given, **fields})


def terminal(found: DiffDocument, width: int = 80, *, colour: bool = False) -> str:
    target = io.StringIO()
    console = Console(
        file=target, width=width, force_terminal=colour, color_system="truecolor" if colour else None
    )
    console.print(render(found))
    return target.getvalue()


class Tags(html.parser.HTMLParser):
    """Which elements and attributes a document has, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_verdict_is_one_sentence_with_output_rows_and_units() -> None:
    found = document({"products": same(), "customer_value": output()})
    assert (
        headline(found)
        == "customer_value: 412 of 20,311 rows changed (2.0 %), 398 customers affected in the sample"
    )
    shown = terminal(found, width=120)
    assert shown.startswith(f"outside the gate: {headline(found)}\n")
    assert headline(found) in Tags(html_report(found)).text
    assert "398 customers affected" in comment(found)


def test_outputs_that_affect_units_are_named_before_totals_and_all_are_named() -> None:
    totals = Rows(baseline=10, candidate=10, added=0, removed=0, changed=9, unchanged=1)
    only = output(
        status="added",
        units=0,
        rows=Rows(baseline=0, candidate=3, added=3, removed=0, changed=0, unchanged=0),
    )
    found = document({"totals": output(rows=totals, units=0), "extra": only, "customers": output()})
    assert headline(found).startswith("customers: 412")
    assert headline(found).endswith("; also extra (new), totals (90.0 %)")


def test_nothing_different_is_said_so() -> None:
    found = document({"a": same(), "b": same()}, verdict="same")
    for text in (terminal(found), Tags(html_report(found)).text, comment(found)):
        assert "2 outputs, nothing differs" in text
        assert "same" in text


def test_the_terminal_fits_eighty_columns_without_colours_or_control_characters() -> None:
    shown = terminal(document({HOSTILE[:60]: output(name=HOSTILE[:50]), "b" * 200: output()}))
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)


def test_markup_in_names_and_values_stays_text_on_the_terminal() -> None:
    shown = terminal(
        document({"[bold]o[/bold]": output(name="[red]c[/red]", value="[link=x]v[/link]")}), width=160
    )
    for text in ("[bold]o[/bold]", "[red]c[/red]", "[link=x]v[/link]"):
        assert text in shown


def hostile() -> DiffDocument:
    changes = SchemaChanges(
        added=[HOSTILE],
        removed=[HOSTILE + "2"],
        renamed={HOSTILE: HOSTILE},
        type_changed={HOSTILE: TypeChange(baseline=HOSTILE, candidate=HOSTILE, compared=False)},
    )
    return document(
        {HOSTILE: output(name=HOSTILE, value=HOSTILE, schema=changes)},
        project=HOSTILE,
        baseline=side(HOSTILE),
        candidate=side("b", commit=HOSTILE, run=HOSTILE),
        warnings=[HOSTILE],
        report=HOSTILE,
    )


def test_hostile_names_and_values_are_text_in_the_html_report() -> None:
    page = html_report(hostile())
    parsed, plain = Tags(page), Tags(html_report(document({"a": output(schema=SchemaChanges(added=["x"]))})))
    assert not {"script", "img", "iframe", "link"} & parsed.names
    assert not [name for name in parsed.attributes if name.startswith("on")]
    assert parsed.attributes <= plain.attributes | {"class"}
    assert "<script>alert(1)</script>" in parsed.text
    assert "{{7*7}}" in parsed.text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)
    assert "⟨U+202E⟩" in parsed.text


def test_the_html_report_needs_no_network_and_no_script() -> None:
    page = html_report(document({"a": output(), "b": same()}))
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=|url\(|@import|https?://""", page)


def test_hostile_names_and_values_are_text_in_the_comment() -> None:
    text = comment(hostile())
    assert not re.search(r"(?<!\\)[|`*_\[\]](?=script|img|you|red|/red)", text)
    assert "<script" not in text
    assert "<img" not in text
    assert "@you" not in text
    assert not re.search(r"\w://|www\.", text)
    [row] = [
        line
        for line in text.splitlines()
        if "customers" not in line and line.startswith("| ") and "20,311" in line
    ]
    assert len(re.findall(r"(?<!\\)\|", row)) == 8  # no cell more than the head has


def test_the_comment_can_hide_the_values_of_rows() -> None:
    found = document({"customer_value": output(value="secret@example.org")})
    assert "secret" in comment(found)
    hidden = comment(found, values=False)
    assert "secret" not in hidden
    assert "412" in hidden


def test_a_run_that_was_not_isolated_is_a_warning_everywhere() -> None:
    environment = EnvironmentReference(
        id="ab" * 32, runtime="local", base="b", candidate_id="ab" * 32, isolated=False
    )
    found = document({"a": output()}, environment=environment)
    for text in (terminal(found), Tags(html_report(found)).text, comment(found)):
        assert "the local runtime does not isolate" in text


def test_plain_tables_without_runs_are_reported() -> None:
    bare = {
        "run": None,
        "commit": None,
        "tree": None,
        "seconds": None,
        "cpu_seconds": None,
        "peak_memory_bytes": None,
    }
    found = document(
        {"a": output()},
        project=None,
        sample=None,
        environment=None,
        report=None,
        baseline=side("a.parquet", **bare),
        candidate=side("b.parquet", **bare),
    )
    for text in (terminal(found), Tags(html_report(found)).text, comment(found)):
        assert "a.parquet" in text
        assert "None" not in text


def test_a_reused_run_is_said_to_be_one() -> None:
    found = document({"a": output()})
    assert "from an earlier run" in terminal(found)
    assert "earlier, identical run" in Tags(html_report(found)).text


def test_the_report_can_be_read_back() -> None:
    found = document({"a": output(), "b": same()})
    assert DiffDocument.parse(found.text(), origin="here") == found


@pytest.mark.parametrize("colour", [True, False])
def test_many_outputs_stay_on_one_screen(colour: bool) -> None:
    outputs = {f"output_{place}": output() for place in range(60)}
    shown = terminal(document(outputs), colour=colour)
    assert len(shown.splitlines()) < 60
    assert "45 more outputs" in shown
