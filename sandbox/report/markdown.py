"""A comparison as a comment for a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.formatting import escape_hidden, format_value, truncate_text
from sandbox.report import dbt_changes, findings, reservations
from sandbox.report.templates import render_template

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument

MAX_OUTPUTS = 10
MAX_EXAMPLES = 5
# Within a line, these begin markup somewhere; a backslash makes them text.
_MARKUP_PATTERN = re.compile(r"([\\`*_\[\]|~$])")
# A zero-width space here keeps mentions, references and bare addresses from becoming links.
_LINK_PATTERN = re.compile(r"(?<=@)|(?<=#)(?=\d)|(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def render_comment(document: DiffDocument) -> str:
    """Give the comment; of a document without values (`discreet`) nothing in it is a value of a row."""
    ordered = findings.sort_outputs(document)
    equal = [output for _, output in ordered if output.is_same]
    return render_template(
        "comment.md",
        finish=escape_markdown,
        given={
            "document": document,
            "verdict": findings.VERDICT_TEXTS[document.verdict],
            "headline": findings.summarize_diff(document),
            "outputs": [(name, output) for name, output in ordered if not output.is_same][:MAX_OUTPUTS],
            "unlisted": sum(not output.is_same for _, output in ordered) - MAX_OUTPUTS,
            "equal": equal,
            "equal_literally": all(output.is_literally_same for output in equal),
            "examples": _list_changed_values(document),
            "broken": findings.describe_gate_failures(document),
            "estimates": findings.describe_estimates(document),
            "dbt_changes": dbt_changes.describe_model_changes(document),
            "rule_changes": reservations.describe_rule_changes(document),
            "reservations": reservations.describe_reservations(document),
            "artifacts": reservations.describe_artifacts(document),
            "keys": findings.describe_unusual_keys(document),
            "where": findings.locate_differences(document)[:1],
            "tests": [findings.describe_test(test) for test in findings.list_notable_tests(document)],
        },
    )


def _list_changed_values(document: DiffDocument) -> list[tuple[str, str, str, Any, Any]]:
    """Output, row, column, baseline's value, candidate's value; of the output that weighs most."""
    given = []
    for name, output in findings.sort_outputs(document):
        for example in output.examples:
            row = ", ".join(f"{part} {format_value(found)}" for part, found in example.key.items())
            before, after = example.baseline or {}, example.candidate or {}
            if example.kind != "changed":
                continue
            given += [
                (name, row, column, format_value(before[column]), format_value(after.get(column))) for column in before
            ]
        if given:
            break
    return given[:MAX_EXAMPLES]


def escape_markdown(found: Any) -> Any:
    r"""Give a value as one line of text that Markdown does not read as anything else.

    >>> escape_markdown("a|b <i> @you")
    'a\\|b &lt;i&gt; @&#8203;you'
    """
    if not isinstance(found, str):
        return found
    text = truncate_text(escape_hidden(found), 400)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINK_PATTERN.sub("&#8203;", _MARKUP_PATTERN.sub(r"\\\1", text))
