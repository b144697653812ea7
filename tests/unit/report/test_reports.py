"""The same finding on the terminal, as HTML and as a comment; whatever names and values hold."""

from __future__ import annotations

import html.parser
import io
import re
from typing import Any

import pytest
from rich.console import Console

from sandbox.manifest.diff import (
    AppliedTolerance,
    ArtifactDiff,
    ColumnChanges,
    ColumnProfile,
    ColumnSlice,
    ColumnSummary,
    ColumnTypeChange,
    ContractChange,
    DataTestResult,
    DbtBuild,
    DbtNode,
    DiffDocument,
    GateResult,
    Histogram,
    NotCompared,
    OutputDiff,
    RowCounts,
    RowExample,
    RowKey,
    RowSegment,
    RuleChange,
    SchemaChanges,
    TopValue,
)
from sandbox.manifest.diff_sides import DiffSide, EnvironmentReference, SampleReference
from sandbox.manifest.output_estimate import AffectedUnits, EstimatedFigure, OutputEstimate
from sandbox.report import dbt_changes, findings
from sandbox.report.findings import summarize_diff
from sandbox.report.html.graph import build_graph_picture
from sandbox.report.html.page import render_html as html_report
from sandbox.report.markdown import render_comment
from sandbox.report.redaction import redact_document
from sandbox.report.terminal.diff import render_diff
from sandbox.report.why.causes import write_lead

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)> \u202e\x1b[31m\r\n|`@you` #1 [red]x[/red] {{7*7}} https://evil.example www.evil.example"


def side(ref: str, **fields: Any) -> DiffSide:
    given = {"run": "r1", "commit": "4f2a9c1be07d5533", "tree": "aa" * 20, "cached": False, "seconds": 12.3}
    return DiffSide(ref=ref, **{**given, "cpu_seconds": 20.0, "peak_memory_bytes": 412_000_000, **fields})


def output(name: str = "v", value: Any = "10.00", units: int = 398, **fields: Any) -> OutputDiff:
    rows = RowCounts(baseline=20311, candidate=20311, added=0, removed=0, changed=412, unchanged=19899)
    changed = RowExample(kind="changed", key={name: 7}, baseline={name: value}, candidate={name: None})
    added = RowExample(kind="added", key={name: 8}, baseline=None, candidate={name: value})
    given = {
        "status": "compared",
        "identical": False,
        "key": RowKey(columns=[name], source="inferred"),
        "rows": rows,
        "columns": {
            name: ColumnChanges(changed=412, match_rate=0.98, mean_change=-1.5, max_change=-3, total_change=-618)
        },
        "examples": [changed, added],
        "estimate": OutputEstimate(
            status="not_estimated",
            reason="not yet",
            unit="customers",
            units_affected=AffectedUnits(status="not_estimated", sample=units),
        ),
    }
    return OutputDiff.model_validate({**given, **fields})


def profiles(name: str, value: Any) -> dict[str, ColumnProfile]:
    spread = ColumnSummary(rows=20, nulls=3, distinct=7, min=value, max=value, mean=12.25, quantiles=[value] * 5)
    histogram = Histogram(edges=[value, 5, value], baseline=[0.75, 0.25], candidate=[0.5, 0.5])
    top = [
        TopValue(value=value, baseline=0.4, candidate=0.1),
        TopValue(value=None, baseline=0.2, candidate=0.3),
    ]
    both = {"baseline": spread, "candidate": spread}
    return {
        name: ColumnProfile(**both, histogram=histogram, one_in=1, exact=True),
        f"{name} top": ColumnProfile(**both, top=top, one_in=64, exact=True),
    }


def estimate() -> OutputEstimate:
    return OutputEstimate(
        status="estimated",
        reason=None,
        unit="customers",
        population=50_000,
        units_affected=AffectedUnits(status="estimated", sample=398, estimate=2000.0, low=1500.0, high=2600.0),
        rows_changed=EstimatedFigure(status="estimated", estimate=2100.0, low=1600.0, high=2700.0),
    )


def full(name: str = "v", value: Any = "10.00", **fields: Any) -> OutputDiff:
    """An output about which there is something to say in every section."""
    segment = RowSegment(
        slices=[ColumnSlice(column=name, values=[value, None]), ColumnSlice(column="age", low=value)],
        covered=0.98,
        rows=0.31,
        differing=0.2,
        score=0.7,
    )
    given = {"segments": [segment], "profiles": profiles(name, value), "estimate": estimate()}
    return output(name, value, **{**given, **fields})


def same() -> OutputDiff:
    rows = RowCounts(baseline=5, candidate=5, added=0, removed=0, changed=0, unchanged=5)
    return output(rows=rows, columns={}, examples=[], units=0)


def document(outputs: dict[str, OutputDiff], **fields: Any) -> DiffDocument:
    gate = [
        GateResult(rule="changed_rows", output=name, limit="0 %", held=one.is_same, found="2.03 %")
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
    console = Console(file=target, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    console.print(render_diff(found))
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
        self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def test_the_verdict_is_one_sentence_with_output_rows_and_units() -> None:
    found = document({"products": same(), "customer_value": output()})
    assert (
        summarize_diff(found)
        == "customer_value: 412 of 20,311 rows changed (2.0 %), 398 customers affected in the sample"
    )
    shown = terminal(found, width=120)
    lead = write_lead(found)
    assert lead.startswith(summarize_diff(found))
    assert " ".join(shown.split()).startswith(f"outside the gate: {lead} output rows")
    assert lead in Tags(html_report(found)).text
    assert "398 customers affected" in render_comment(found)


def test_outputs_that_affect_units_are_named_before_totals_and_all_are_named() -> None:
    totals = RowCounts(baseline=10, candidate=10, added=0, removed=0, changed=9, unchanged=1)
    only = output(
        status="added",
        units=0,
        rows=RowCounts(baseline=0, candidate=3, added=3, removed=0, changed=0, unchanged=0),
    )
    found = document({"totals": output(rows=totals, units=0), "extra": only, "customers": output()})
    assert summarize_diff(found).startswith("customers: 412")
    assert summarize_diff(found).endswith("; also extra (new), totals (90.0 %)")


def test_a_gate_that_is_not_held_although_nothing_differs_is_said_at_once() -> None:
    rule = GateResult(rule="tests", output=None, limit="no-failures", held=False, found="still failing: t")
    found = document({"a": same()}, gate=[rule])
    assert summarize_diff(found) == "1 output, nothing differs, but tests: still failing: t, limit no-failures"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"columns": ["day", "shop"], "source": "inferred"}, "a: inferred key day, shop"),
        (
            {"columns": [], "source": "none"},
            "a: without a key no row can be paired with another: rounding and changed values count as rows added and removed",
        ),
        (
            {"columns": ["id"], "source": "declared", "baseline_duplicates": 6, "candidate_nulls": 2},
            (
                "a: declared key id; rows with a duplicate key: 6 in the baseline, 0 in the candidate; "
                "rows with a null key: 0 in the baseline, 2 in the candidate"
            ),
        ),
    ],
)
def test_how_rows_were_told_apart_is_said_unless_a_declared_key_did(key: dict[str, Any], said: str) -> None:
    plain = output(key={"columns": ["id"], "source": "declared"})
    found = document({"a": output(key=key), "b": plain, "c": same()})
    for text in (terminal(found), render_comment(found)):
        assert f"key: {said}" in " ".join(text.split())
        assert "key: b" not in text
        assert "key: c" not in text


def test_nothing_different_is_said_so() -> None:
    found = document({"a": same(), "b": same()}, verdict="same")
    for text in (terminal(found), Tags(html_report(found)).text, render_comment(found)):
        assert "2 outputs, nothing differs" in text
        assert "same" in text


def test_the_terminal_fits_eighty_columns_without_colours_or_control_characters() -> None:
    shown = terminal(document({HOSTILE[:60]: output(name=HOSTILE[:50]), "b" * 200: output()}))
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)


def test_markup_in_names_and_values_stays_text_on_the_terminal() -> None:
    shown = terminal(document({"[bold]o[/bold]": output(name="[red]c[/red]", value="[link=x]v[/link]")}), width=160)
    for text in ("[bold]o[/bold]", "[red]c[/red]", "[link=x]v[/link]"):
        assert text in shown


def hostile() -> DiffDocument:
    changes = SchemaChanges(
        added=[HOSTILE],
        removed=[HOSTILE + "2"],
        renamed={HOSTILE: HOSTILE},
        type_changed={HOSTILE: ColumnTypeChange(baseline=HOSTILE, candidate=HOSTILE, compared=False)},
    )
    test = DataTestResult(
        name=HOSTILE,
        baseline_failures=0,
        candidate_failures=None,
        outcome="not_evaluated",
        problems={"candidate": HOSTILE},
    )
    noisy = {"tainted": [HOSTILE], "noise_tolerances": {HOSTILE: 1e-12}, "ignored": [HOSTILE]}
    return document(
        {HOSTILE: full(name=HOSTILE, value=HOSTILE, schema=changes, **noisy), "b": full(value=HOSTILE)},
        tests=[test],
        project=HOSTILE,
        baseline=side(HOSTILE),
        candidate=side("b", commit=HOSTILE, run=HOSTILE),
        warnings=[HOSTILE],
        report=HOSTILE,
    )


def test_hostile_names_and_values_are_text_in_the_html_report() -> None:
    page = html_report(hostile())
    harmless = {"a": full(schema=SchemaChanges(added=["x"])), "b": full()}
    parsed, plain = Tags(page), Tags(html_report(document(harmless)))
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
    text = render_comment(hostile())
    assert not re.search(r"(?<!\\)[|`*_\[\]](?=script|img|you|red|/red)", text)
    assert "<script" not in text
    assert "<img" not in text
    assert "@you" not in text
    assert not re.search(r"\w://|www\.", text)
    rows = [
        line for line in text.splitlines() if "customers" not in line and line.startswith("| ") and "20,311" in line
    ]
    assert len(rows) == 2
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 8  # no cell more than the head has


def everything(found: DiffDocument) -> dict[str, str]:
    return {
        "terminal": terminal(found, width=200),
        "html": html_report(found),
        "comment": render_comment(found),
        "json": found.to_json_text(),
    }


def test_values_of_rows_can_be_left_out_of_everything() -> None:
    problem = DataTestResult(
        name="t",
        baseline_failures=1,
        candidate_failures=None,
        outcome="not_evaluated",
        problems={"candidate": "cannot cast secret@example to INTEGER"},
    )
    found = document({"customer_value": full(value="secret@example")}, tests=[problem])
    for kind, text in everything(found).items():
        assert "secret" in text, kind
    hidden = redact_document(found)
    for kind, text in everything(hidden).items():
        assert "secret" not in text, kind
        assert "412" in text, kind
    for kind in ("terminal", "html", "comment"):
        text = " ".join(Tags(everything(hidden)[kind]).text.split())
        assert "98.0 % of differing rows lie in one slice of v and age" in text, kind
    assert "values of rows are left out" in everything(hidden)["html"]
    assert DiffDocument.parse(hidden.to_json_text(), origin="here") == hidden


def test_what_one_row_alone_would_give_away_is_a_value_too() -> None:
    one = ColumnChanges(changed=1, match_rate=0.5, mean_change=7.0, max_change=7.0, total_change=7.0)
    many = ColumnChanges(changed=9, match_rate=0.5, mean_change=7.0, max_change=9.0, total_change=63.0)
    found = redact_document(document({"a": output(columns={"one": one, "many": many})}))
    columns = found.outputs["a"].columns
    assert columns["one"] == ColumnChanges(changed=1, match_rate=0.5)
    assert columns["many"] == many.model_copy(update={"max_change": None})


def test_every_report_gives_the_estimate_and_where_the_differences_lie() -> None:
    found = document({"customer_value": full()})
    for kind in ("terminal", "html", "comment"):
        text = Tags(everything(found)[kind]).text.replace("\n", " ")
        assert "about 2,000 of 50,000 customers (4.0 %, 95 %: 3.0 to 5.2 %) would" in text, kind
        assert "98.0 % of differing rows have v 10.00 or NULL and age from 10.00" in text, kind


def test_the_interval_is_drawn_on_an_axis_from_zero() -> None:
    page = html_report(document({"customer_value": full()}))
    assert 'aria-label="4.0 % of all 50,000 customers, 95 %: 3.0 % to 5.2 %"' in page
    assert 'class="point" style="left:66.7%"' in page  # 4 of an axis that ends at 6 %
    assert 'class="span" style="left:50.0%;width:36.7%"' in page
    assert 'class="point"' not in html_report(document({"customer_value": output()}))


def test_distributions_show_both_sides() -> None:
    page = html_report(document({"a": full()}))
    assert 'class="before" d="M0 64V0H120V42.7H240V64Z"' in page
    assert 'class="after" d="M0 21.3H120V21.3H240"' in page
    text = Tags(page).text
    assert "40.0 % → 10.0 %" in text
    assert "of one row in 64" in text


def test_noise_is_said_to_be_noise() -> None:
    rows = RowCounts(baseline=9, candidate=9, added=0, removed=0, changed=4, unchanged=5, noise=4)
    noisy = output(rows=rows, columns={}, tainted=["loaded_at"], noise_tolerances={"total": 1e-9}, flickering=2)
    text = Tags(html_report(document({"a": noisy}, verdict="within_gate"))).text
    for said in (
        "within the gate: a: 4 rows differ in loaded_at only, which changes by itself; nondeterministic: a.loaded_at",
        "loaded_at differs between two runs of the same code: nothing is judged there",
        "the last digits of total differ between two runs: up to 1e-09 of a value does not count",
        "2 rows come and go between two runs of the same code",
        "4 of the 4 differing rows are noise",
    ):
        assert said in text
    assert "noise in loaded_at" in terminal(document({"a": noisy}, verdict="within_gate"), width=120)


def test_what_a_verdict_does_not_rest_on_is_named_wherever_it_is_shown() -> None:
    found = document(
        {
            "a": same().model_copy(update={"identical": False, "ignored": ["x", "y"]}),
            "b": same().model_copy(update={"identical": False, "tolerances": {"z": AppliedTolerance(abs=0.01)}}),
        },
        verdict="within_gate",
    ).model_copy(
        update={
            "not_compared": [NotCompared(name="v", reason="a view")],
            "artifacts": {"m.pkl": ArtifactDiff(status="changed")},
            "rule_changes": [
                RuleChange(key="outputs.c.key", baseline=None, candidate='["id"]', loosens=False),
                RuleChange(key="outputs.a.ignore", baseline="[]", candidate='["x", "y"]', loosens=True),
            ],
        }
    )
    page, comment, screen = (
        Tags(html_report(found)).text,
        unescape_comment(render_comment(found)),
        terminal(found, width=600),
    )
    for text in (page, comment, screen):
        assert "nothing differs" not in text
        assert text is screen or "2 outputs without a difference in what is compared" in text
        for phrase in (
            "2 outputs, no difference in what is compared",
            "ignored: a.x, a.y",
            "within a tolerance: b.z",
            "not compared: v (a view)",
            "artifacts that differ: m.pkl",
            "this change also changes the rules that judge it: outputs.a.ignore, outputs.c.key",
            'outputs.a.ignore: ["x", "y"] instead of [] (loosens)',
            'outputs.c.key: ["id"] instead of nothing',
            "b: z equal within 0.01",
            "1 artifact changed: m.pkl",
        ):
            assert phrase in text


def unescape_comment(text: str) -> str:
    return text.replace("\\", "").replace("&#8203;", "").replace("&lt;", "<")


def test_data_tests_that_a_change_breaks_come_first() -> None:
    def one(name: str, outcome: str, candidate: int | None) -> DataTestResult:
        problems = {"candidate": "no such column"} if candidate is None else {}
        return DataTestResult.model_validate(
            {
                "name": name,
                "baseline_failures": 2,
                "candidate_failures": candidate,
                "outcome": outcome,
                "problems": problems,
            }
        )

    tests = [one("fine", "passed", 0), one("mended", "fixed", 0), one("lost", "not_evaluated", None)]
    tests += [one("worse", "newly_failing", 5), one("ancient", "failed", 1)]
    found = document({"a": output()}, tests=tests)
    for kind in ("terminal", "html", "comment"):
        text = Tags(everything(found)[kind]).text
        places = [text.index(name) for name in ("worse", "lost", "ancient", "mended")]
        assert places == sorted(places), kind
        assert "still failing" in text, kind
        assert "no such column" in text, kind
    assert "fine" not in render_comment(found)
    assert "ancient: still failing, 1 row breaks it, 2 in the baseline" in render_comment(found)


def test_two_stacks_and_what_production_made_are_named() -> None:
    environment = EnvironmentReference(id="ab" * 32, runtime="docker", base="b", candidate_id="cd" * 32, isolated=True)
    made = {
        "v": {
            "files": 3,
            "bytes": 12_000_000,
            "modified": "2026-11-20T08:00:00+00:00",
            "rows": 900,
            "compared": 45,
        }
    }
    found = document(
        {"v": output()},
        environment=environment,
        baseline=side("/exports", made=made),
        candidate=side("main", stack="next.toml"),
    )
    text = Tags(html_report(found)).text
    for said in (
        "abababababababab",
        "cdcdcdcdcdcdcdcd",
        "next.toml",
        "3 files that production made, 12.0 MB",
        "45 of 900 rows",
    ):
        assert said in text


def test_fifty_outputs_stay_under_a_megabyte_with_everything_in_them() -> None:
    def large(name: str) -> OutputDiff:
        found = full(name)
        text = "wide " * 39
        columns = {f"{name}_{place}": found.columns[name] for place in range(30)}
        row = dict.fromkeys(columns, text)
        examples = [
            RowExample(kind=kind, key={"id": place}, baseline=before, candidate=after)
            for kind, before, after in (("changed", row, row), ("added", None, row), ("removed", row, None))
            for place in range(5)
        ]
        charts = {f"{name}_{place}": found.profiles[name] for place in range(30)}
        return found.model_copy(update={"columns": columns, "examples": examples, "profiles": charts})

    ordinary = html_report(document({f"output_{place}": full(f"c{place}") for place in range(50)}))
    assert len(ordinary.encode()) < 1_000_000
    assert ordinary.count('class="before"') == 50
    heavy = html_report(document({f"output_{place}": large(f"c{place}") for place in range(50)}))
    assert len(heavy.encode()) < 1_000_000
    assert heavy.count("<h2>output_") == 50
    assert "Its columns, segments and examples are in diff.json." in heavy
    crowd = html_report(document({f"output_{place}": full() for place in range(3000)}))
    assert len(crowd.encode()) < 1_000_000


def test_a_run_that_was_not_isolated_is_a_warning_everywhere() -> None:
    environment = EnvironmentReference(id="ab" * 32, runtime="local", base="b", candidate_id="ab" * 32, isolated=False)
    found = document({"a": output()}, environment=environment)
    for text in (terminal(found), Tags(html_report(found)).text, render_comment(found)):
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
    for text in (terminal(found), Tags(html_report(found)).text, render_comment(found)):
        assert "a.parquet" in text
        assert "None" not in text


def test_examples_on_the_terminal_are_of_each_kind() -> None:
    changed = [
        RowExample(kind="changed", key={"id": row}, baseline={"x": row, "y": row}, candidate={"x": 0, "y": 0})
        for row in range(5)
    ]
    removed = [RowExample(kind="removed", key={"id": 70 + row}, baseline={"x": 1}, candidate=None) for row in range(5)]
    added = [RowExample(kind="added", key={"id": 90}, baseline=None, candidate={"x": 1})]
    shown = terminal(document({"a": output(examples=[*changed, *removed, *added])}))
    lines = [line.split()[:3] for line in shown.splitlines() if line.startswith("id ")]
    assert lines == [["id", "0", "x"], ["id", "0", "y"], ["id", "70", "removed"], ["id", "90", "added"]]
    shown = terminal(document({"a": output(examples=[*removed, *added])}))
    assert shown.count(" removed  x") == 3


def test_a_reused_run_is_said_to_be_one() -> None:
    found = document({"a": output()})
    assert "from an earlier run" in terminal(found)
    assert "earlier, identical run" in Tags(html_report(found)).text


def test_the_report_can_be_read_back() -> None:
    found = document({"a": output(), "b": same()})
    assert DiffDocument.parse(found.to_json_text(), origin="here") == found


@pytest.mark.parametrize("colour", [True, False])
def test_many_outputs_stay_on_one_screen(colour: bool) -> None:
    outputs = {f"output_{place}": output() for place in range(60)}
    shown = terminal(document(outputs), colour=colour)
    assert len(shown.splitlines()) < 60
    assert "45 more outputs" in shown


def test_a_table_that_changes_in_all_columns_stays_on_one_screen() -> None:
    names = [f"a_rather_long_column_{place}" for place in range(300)]
    types = {name: ColumnTypeChange(baseline="BIGINT", candidate="VARCHAR", compared=True) for name in names}
    schema = SchemaChanges(added=names, removed=names, type_changed=types)
    noisy: dict[str, Any] = {"tainted": names, "noise_tolerances": dict.fromkeys(names, 1e-9)}
    found = document({"a": full(schema=schema, **noisy), "b" * 10_000: output("c" * 10_000)})
    assert len(terminal(found).splitlines()) < 60
    assert len(render_comment(found)) < 10_000
    page = Tags(html_report(found)).text
    for text in (terminal(found, width=400), render_comment(found).replace("\\_", "_"), page):
        assert (
            "columns a_rather_long_column_0, a_rather_long_column_1, a_rather_long_column_2 and 297 more added" in text
        )
        assert "297 more columns of another type" in text
    assert "the last digits of a_rather_long_column_0, a_rather_long_column_1, a_rather_long_column_2 and 297" in page


def test_much_to_say_stays_on_one_screen() -> None:
    lines = [f"warning {place}" for place in range(40)]
    test = DataTestResult(name="t", baseline_failures=0, candidate_failures=3, outcome="newly_failing")
    outputs = {f"output_{place}": full() for place in range(40)}
    shown = terminal(document(outputs, warnings=lines, tests=[test] * 40), width=120)
    assert len(shown.splitlines()) < 60
    for said in ("warning: … and 34 more", "test: … and 34 more", "gate: … and 34 more"):
        assert said in shown


def test_models_of_dbt_come_in_the_order_of_their_lineage_with_the_reasons_and_the_changed_code() -> None:
    build = DbtBuild(
        changed=["stg", "rates"],
        built=["mart", "odd", "rates", "stg"],
        taken_over=["calm"],
        unproven=["odd"],
        reasons={
            "stg": "its compiled code differs",
            "rates": "its file differs",
            "mart": "it depends on stg",
            "odd": "it calls f()",
        },
        moved={"mart": ["a.mart", "b.mart"]},
        order=["stg", "mart", "odd", "calm"],
        code_changes={"stg": "models/stg.sql\n-a < b\n+<script>", "mart": "compiled: models/mart.sql\n-'Ann'\n+'Bob'"},
    )
    found = document({"calm": same(), "mart": output(), "odd": same(), "stg": output()}, dbt=build)
    assert [name for name, _ in findings.sort_outputs(found)] == ["stg", "mart", "odd", "calm"]
    assert dbt_changes.describe_model_changes(found) == [
        "changed: stg (its compiled code differs); rates (its file differs)",
        "built because of what they depend on: mart",
        "built because nothing proves them equal: odd (it calls f())",
        "1 other taken from the run of main",
        "moved: mart from a.mart to b.mart",
    ]
    page = html_report(found)
    assert "+&lt;script&gt;" in page
    assert "Bob" in page
    redacted = html_report(redact_document(found))
    assert "+&lt;script&gt;" in redacted
    assert "Bob" not in redacted


def build_lineage(models: int, **fields: Any) -> DbtBuild:
    """Build a chain of layers, five models each, of which the first model is changed and the last has a user."""
    nodes = {
        f"m{number}": DbtNode(
            name=f"model {number}",
            kind="model",
            state="changed" if number == 0 else "downstream",
            parents=[f"m{number - 5}"] if number >= 5 else ["m0"] if number else ["s"],
            output=f"model {number}",
        )
        for number in range(models)
    }
    nodes["s"] = DbtNode(name="raw.orders", kind="source", state="input")
    nodes["e"] = DbtNode(
        name=HOSTILE, kind="exposure", state="downstream", parents=[f"m{models - 1}"], owner="Ann, ann@example.org"
    )
    return DbtBuild(changed=["model 0"], built=[], taken_over=[], lineage=nodes, **fields)


@pytest.mark.parametrize("models", [5, 150, 1000])
def test_the_affected_part_of_the_graph_is_drawn_without_scripts(models: int) -> None:
    failed = [NotCompared(name="model 2", reason="r", output="model 2")]
    outputs = {"model 1": output(), "model 3": same()}
    found = document(outputs, dbt=build_lineage(models), not_compared=failed)
    picture = build_graph_picture(found)
    assert picture is not None
    shown = [(node.x, node.y) for node in picture.nodes]
    assert len(set(shown)) == len(shown) == min(models + 2, 200)
    assert picture.left_out == max(models + 2 - 200, 0)
    assert max(x for x, _ in shown) < picture.width
    assert max(y for _, y in shown) < picture.height
    states = {node.label: node.state for node in picture.nodes}
    assert [states[f"model {number}"] for number in range(4)] == ["changed", "differs", "failed", "downstream"]
    page = html_report(found)
    assert "<script>" not in page
    assert page.count("<svg") == page.count("</svg>")
    assert "What the change reaches" in page
    assert "(Ann, ann@example.org)" in page
    assert html_report(document({}, dbt=DbtBuild(changed=[], built=[], taken_over=[]))).count("What the change") == 0


def test_a_graph_with_a_circle_or_with_parents_that_are_not_there_is_drawn() -> None:
    nodes = {
        key: DbtNode(name=key, kind="model", state="changed", parents=parents)
        for key, parents in {"a": ["b", "gone"], "b": ["a"], "c": ["c"]}.items()
    }
    picture = build_graph_picture(document({}, dbt=DbtBuild(changed=[], built=[], taken_over=[], lineage=nodes)))
    assert picture is not None
    assert len(picture.nodes) == 3


def test_users_deleted_models_and_contracts_are_named() -> None:
    contracts = [
        ContractChange(model="mart", column="id", change="text instead of integer", is_breaking=True),
        ContractChange(model="mart", column="day", change="added", is_breaking=False),
    ]
    build = build_lineage(5, contracts=contracts, removed={"old": ["mart", "stg"], "unused": []})
    lines = dbt_changes.describe_model_changes(document({}, dbt=build))
    assert "deleted: old, on which mart, stg depended" in lines
    assert "deleted: unused, on which nothing depended" in lines
    assert "contracts: breaking: mart.id: text instead of integer; not breaking: mart.day: added" in lines
    (used,) = [line for line in lines if line.startswith("used by exposure ")]
    assert used.endswith("(Ann, ann@example.org)")
