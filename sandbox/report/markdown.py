"""A comparison as a comment for a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.formatting import cut, value, visible
from sandbox.report import dbt_changes, findings
from sandbox.report.templates import page

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument

OUTPUTS = 10
EXAMPLES = 5
# Within a line, these begin markup somewhere; a backslash makes them text.
_MARKUP = re.compile(r"([\\`*_\[\]|~$])")
# A zero-width space here keeps mentions, references and bare addresses from becoming links.
_LINKED = re.compile(r"(?<=@)|(?<=#)(?=\d)|(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def comment(document: DiffDocument) -> str:
    """Give the comment; of a document without values (`discreet`) nothing in it is a value of a row."""
    ordered = findings.worst_first(document)
    return page(
        "comment.md",
        finish=escaped,
        given={
            "document": document,
            "verdict": findings.VERDICTS[document.verdict],
            "headline": findings.headline(document),
            "outputs": [(name, output) for name, output in ordered if not output.same][:OUTPUTS],
            "unlisted": sum(not output.same for _, output in ordered) - OUTPUTS,
            "equal": sum(output.same for _, output in ordered),
            "examples": _examples(document),
            "broken": findings.not_held(document),
            "estimates": findings.in_production(document),
            "dbt_changes": dbt_changes.changes(document),
            "keys": findings.keys(document),
            "where": findings.where(document)[:1],
            "tests": [findings.data_test(test) for test in findings.unpassed(document)],
        },
    )


def _examples(document: DiffDocument) -> list[tuple[str, str, str, Any, Any]]:
    """Output, row, column, baseline's value, candidate's value; of the output that weighs most."""
    given = []
    for name, output in findings.worst_first(document):
        for example in output.examples:
            row = ", ".join(f"{part} {value(found)}" for part, found in example.key.items())
            before, after = example.baseline or {}, example.candidate or {}
            if example.kind != "changed":
                continue
            given += [
                (name, row, column, value(before[column]), value(after.get(column))) for column in before
            ]
        if given:
            break
    return given[:EXAMPLES]


def escaped(found: Any) -> Any:
    r"""Give a value as one line of text that Markdown does not read as anything else.

    >>> escaped("a|b <i> @you")
    'a\\|b &lt;i&gt; @&#8203;you'
    """
    if not isinstance(found, str):
        return found
    text = cut(visible(found), 400)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINKED.sub("&#8203;", _MARKUP.sub(r"\\\1", text))
