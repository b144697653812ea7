"""Texts of a number and its noun are made by one function, so that nothing reads "1 outputs"."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(sandbox.__file__).parent
PLURAL = re.compile(
    r" (?:(?:more|other|further|new|whole|personal|sampled) )?(?!is\b|was\b|has\b|as\b|its\b|this\b)[a-z]+s\b"
)
PRINTED = re.compile(r"\{\{[^}]*\| *(?:length|number) *\}\} (?:more )?[a-z]+s\b")


def find_counts(tree: ast.AST) -> Iterator[ast.FormattedValue]:
    """Find numbers in f-strings that a plural follows."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                    is_number = value.format_spec is not None and ast.unparse(value.format_spec) == "f','"
                    called = value.value.func if isinstance(value.value, ast.Call) else None
                    is_number |= isinstance(called, ast.Name) and called.id in {"len", "format_number"}
                    if is_number and PLURAL.match(str(text.value)):
                        yield value


def test_no_number_stands_before_a_plural_of_its_own() -> None:
    [found] = find_counts(ast.parse('f"{len(outputs)} outputs differ"'))
    assert ast.unparse(found.value) == "len(outputs)"
    assert [
        f"{path.relative_to(FOLDER)}:{value.lineno}"
        for path in FOLDER.rglob("*.py")
        for value in find_counts(ast.parse(path.read_text("utf-8")))
    ] == []


def test_no_template_writes_a_plural_of_its_own() -> None:
    assert PRINTED.search("{{ outputs|length }} outputs")
    folder = FOLDER.parent / "templates"
    assert [path.name for path in folder.glob("*.*") if PRINTED.search(path.read_text("utf-8"))] == []
