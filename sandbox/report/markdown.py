"""Render a comparison as a comment for a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.formatting import escape_hidden, format_value, truncate_text
from sandbox.report import dbt_changes, findings, reservations
from sandbox.report.production.drift import describe_sample
from sandbox.report.templates import render_template
from sandbox.report.why import causes, expected_columns

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument

MAX_OUTPUTS = 10
MAX_EXAMPLES = 5
# These characters begin markup within a line; a backslash makes them text.
_MARKUP_PATTERN = re.compile(r"([\\`*_\[\]|~$])")
# A zero-width space here keeps mentions, references and bare addresses from becoming links.
_LINK_PATTERN = re.compile(r"(?<=@)|(?<=#)(?=\d)|(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def render_comment(document: DiffDocument) -> str:
    """Render the comment; for a redacted document it contains no value of a row."""
    ordered = findings.sort_outputs(document)
    equal = [output for _, output in ordered if output.is_same]
    return render_template(
        "comment.md",
        finish=escape_markdown,
        values={
            "sample_age": describe_sample(document),
            "document": document,
            "verdict": findings.VERDICT_TEXTS[document.verdict],
            "headline": causes.write_lead(document),
            "outputs": [(name, output) for name, output in ordered if not output.is_same][:MAX_OUTPUTS],
            "unlisted": sum(not output.is_same for _, output in ordered) - MAX_OUTPUTS,
            "equal": equal,
            "equal_literally": all(output.is_literally_same for output in equal),
            "examples": _list_changed_values(document),
            "broken": findings.describe_gate_failures(document),
            "estimates": findings.describe_estimates(document),
            "unexpected": expected_columns.describe_unexpected(document),
            "expected": expected_columns.describe_expected(document),
            "dbt_changes": dbt_changes.describe_model_changes(document),
            "rule_changes": reservations.describe_rule_changes(document),
            "reservations": reservations.describe_reservations(document),
            "artifacts": reservations.describe_artifacts(document),
            "null_columns": findings.describe_null_columns(document),
            "keys": findings.describe_unusual_keys(document),
            "where": causes.locate_other_differences(document)[:1],
            "causes": causes.describe_causes(document),
            "tests": [findings.describe_test(test) for test in findings.list_notable_tests(document)],
        },
    )


def _list_changed_values(document: DiffDocument) -> list[tuple[str, str, str, Any, Any]]:
    """Return output, row, column, baseline's value and candidate's value, of the most important output."""
    rows = []
    for name, output in findings.sort_outputs(document):
        for example in output.examples:
            row = ", ".join(f"{part} {format_value(value)}" for part, value in example.key.items())
            before, after = example.baseline or {}, example.candidate or {}
            if example.kind != "changed":
                continue
            rows += [
                (name, row, column, format_value(before[column]), format_value(after.get(column))) for column in before
            ]
        if rows:
            break
    return rows[:MAX_EXAMPLES]


def escape_markdown(value: Any) -> Any:
    r"""Return a value as one line of text without effect as Markdown.

    >>> escape_markdown("a|b <i> @you")
    'a\\|b &lt;i&gt; @&#8203;you'
    """
    if not isinstance(value, str):
        return value
    text = truncate_text(escape_hidden(value), 400)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINK_PATTERN.sub("&#8203;", _MARKUP_PATTERN.sub(r"\\\1", text))
