"""Build the short JSON of ``--brief``: what a program with little room for text needs to go on."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.formatting import truncate_text
from sandbox.report import estimates, findings, reservations
from sandbox.report.why import expected_columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.manifest.diff import DiffDocument, OutputDiff
    from sandbox.manifest.why.attribution import AttributionDocument

MAX_CHARACTERS = 3600
"""About 1,000 tokens of JSON."""
_LIMITS = ((12, 400), (8, 300), (6, 200), (4, 140), (3, 90), (2, 60), (1, 40))
"""Items of a list or table, and characters of a text: the first that is short enough is taken."""
_MAX_ROWS_SHOWN = 20


def build_brief_diff(document: DiffDocument, folder: Path | None) -> dict[str, Any]:
    """Return verdict, figures, causes and next commands of a diff; ``folder`` has its files."""
    return shorten_json(
        {
            "format_version": 1,
            "verdict": document.verdict,
            "summary": findings.summarize_diff(document),
            "outputs": {name: _describe_output(output) for name, output in findings.sort_outputs(document)},
            "unexpected": expected_columns.describe_unexpected(document),
            "where": findings.locate_differences(document),
            "gate": findings.describe_gate_failures(document),
            "tests": [findings.describe_test(test) for test in findings.list_notable_tests(document)],
            "not_judged": reservations.describe_reservations(document),
            "warnings": findings.list_warnings(document),
            "next": _list_next_commands(document),
            "more": {"report": document.report, "folder": str(folder) if folder else None},
        }
    )


def build_brief_attribution(document: AttributionDocument, path: Path) -> dict[str, Any]:
    """Return the parts of a change with the rows they explain."""
    fields = document.to_dict()
    return shorten_json({key: fields[key] for key in ("outputs", "failed", "runs")} | {"more": str(path)})


def build_brief_plan(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return sizes and precision of a plan, without its request and strata."""
    units = {
        name: {key: value for key, value in unit.items() if key != "strata"} | {"strata": len(unit["strata"])}
        for name, unit in fields["units"].items()
    }
    tables = {
        name: {key: table[key] for key in ("role", "source_rows", "expected_rows", "expected_bytes")}
        for name, table in fields["tables"].items()
    }
    kept = {key: fields[key] for key in ("format_version", "expected", "not_sampled", "left_out", "warnings")}
    return shorten_json(kept | {"units": units, "tables": tables, "next": ["sandbox sample"], "more": "sandbox plan"})


def build_brief_diagnosis(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checks that did not pass, and the number of all."""
    wrong = [check for check in fields["checks"] if not check.get("ok")]
    return shorten_json(
        {
            "format_version": fields["format_version"],
            "healthy": fields["healthy"],
            "checks": len(fields["checks"]),
            "not_passed": wrong,
            "more": "sandbox doctor",
        }
    )


def shorten_json(fields: Mapping[str, Any], most: int = MAX_CHARACTERS) -> dict[str, Any]:
    """Return fields whose JSON has at most ``most`` characters, as far as the number of fields allows.

    Lists and tables say how many of their items were left out.

    >>> shorten_json({"n": 1, "names": ["a"] * 100}, 60)
    {'n': 1, 'names': ['a', 'a', 'a', 'a', '… 96 more']}
    """
    shortened = dict(fields)
    for items, length in _LIMITS:
        shortened = {key: _shorten_value(value, items, length) for key, value in fields.items()}
        if len(json.dumps(shortened, ensure_ascii=False)) <= most:
            break
    return shortened


def _shorten_value(value: Any, items: int, length: int) -> Any:
    match value:
        case str():
            return truncate_text(value, length)
        case dict():
            kept = {
                truncate_text(str(key), length): _shorten_value(inner, items, length)
                for key, inner in list(value.items())[:items]
            }
            return kept if len(value) <= items else kept | {"…": f"{len(value) - items} more"}
        case list() | tuple():
            shown = [_shorten_value(inner, items, length) for inner in value[:items]]
            return shown if len(value) <= items else [*shown, f"… {len(value) - items} more"]
        case _:
            return value


def _describe_output(output: OutputDiff) -> dict[str, Any]:
    estimate = estimates.describe_estimate(output) or estimates.explain_missing_estimate(output)
    return {"differs_in": findings.describe_output(output), "in_production": estimate}


def _list_next_commands(document: DiffDocument) -> list[str]:
    if document.project is None:
        return []
    differing = [name for name, output in findings.sort_outputs(document) if not output.is_same]
    if not differing:
        return ["sandbox promote"]
    name = differing[0]
    query = f"select * from diff.{quote_identifier(f'{name}_changed')} limit {_MAX_ROWS_SHOWN}"
    commands = [f"sandbox why {shlex.quote(name)}", "sandbox why --change", f"sandbox sql {shlex.quote(query)}"]
    return commands if document.verdict == "outside_gate" else [*commands, "sandbox promote"]
