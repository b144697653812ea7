"""Every text of a library's error, and every value in an error, passes through `sandbox.error_text`."""

from __future__ import annotations

import ast
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import pytest
from hypothesis import given

from sandbox import errors
from sandbox.error_text import describe_foreign_error, format_row_value, hide_credentials, hide_literals

PACKAGE = Path(__file__).parents[2] / "sandbox"
# Errors whose text is about files, encodings, modules and sandbox.toml, or is sandbox's own.
HARMLESS = {
    *("OSError", "UnicodeDecodeError", "ImportError", "tomllib.TOMLDecodeError", "EOFError", "RecursionError"),
    *(name for name, kind in vars(errors).items() if isinstance(kind, type)),
}
OWN_TEXTS = {
    "cli/options.py": "ValueError",  # of sandbox.config.quantities
    "config/settings_checks.py": "ValueError",  # of str.format, about the file's own text
    "sources/folder.py": "ValueError",  # of the same module
    "containers/docker/networks.py": "docker.errors.APIError",  # is looked at, not shown
    "provisioner/lock/requirements.py": "InvalidRequirement",
    "mcp/server.py": "CommandFailure",  # of sandbox, with the message of a command
    "engine/mysql/snapshot.py": "pymysql.Error",  # shown for the numbers of errors without values
    "compare/reading/parquet_reader.py": "UnreadableTypeError",  # of sandbox, about names and types
    "impact/expected_columns/model_graph.py": "UnknownQueryError",  # of sandbox, about names
}
# Here the text is only compared with texts that mean an interruption.
NOT_SHOWN = {("engine/duckdb/session.py", "duckdb.Error"), ("engine/duckdb/session.py", "RuntimeError")}


def list_quoted_errors() -> list[tuple[str, str, int]]:
    """Return where an error that was caught is put into a text: the file, what is caught, the line."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if "programs" in path.parts:  # carried out within a run, whose log is its own
            continue
        for handler in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
                continue
            caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            kinds = {ast.unparse(one) for one in caught} - HARMLESS
            lines = [getattr(node, "lineno", 0) for node in ast.walk(handler) if _quotes(node, handler.name)]
            found += [(str(path.relative_to(PACKAGE)), kind, line) for kind in sorted(kinds) for line in lines]
    return found


def _quotes(node: ast.AST, name: str) -> bool:
    def is_error(part: ast.AST) -> bool:
        return isinstance(part, ast.Name) and part.id == name

    if isinstance(node, ast.FormattedValue):
        return is_error(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"str", "repr"}:
        return any(map(is_error, node.args))
    return isinstance(node, ast.Attribute) and is_error(node.value) and node.attr in {"args", "msg"}


def test_no_module_puts_the_text_of_a_foreign_error_into_a_message() -> None:
    found = list_quoted_errors()
    assert any(file == "cli/options.py" for file, _, _ in found)  # the search finds something
    assert [
        one
        for one in found
        if OWN_TEXTS.get(one[0]) != one[1] and one[:2] not in NOT_SHOWN and "pydantic" not in one[1]
    ] == []


VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(VALUE)
@pytest.mark.parametrize(
    "expression",
    ["?::int", "?::date", "?::timestamp", "?::json", "?::uuid", "?::int[]", "?::enum('a')", "strptime(?, '%Y')",
     "error(?)", "json_extract(?, '$.a')", "from_base64(?)", "?::struct(a int)", "?::decimal(4, 2)", "?::interval"],
)  # fmt: skip
def test_no_message_of_duckdb_holds_a_value(expression: str, value: str) -> None:
    canary = f"zq{value}Kanarienvogel"
    try:
        duckdb.execute(f"select {expression}", [canary])
    except (duckdb.Error, UnicodeDecodeError) as error:
        described = describe_foreign_error(error)
        assert "Kanarienvogel" not in described
        assert "Kanarienvogel" not in hide_credentials(described)


@given(VALUE)
def test_a_shape_has_no_letter_and_no_digit_of_the_value(value: str) -> None:
    shape = format_row_value(value)
    assert set(shape) <= set("aA9?…'") | {one for one in value if one.isascii() and not one.isalnum()}


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("select 'CANARY' as a", "select '…' as a"),
        ("map(['/w/name=CANARY/0.parquet'], ['CANARY''s'])", "map(['…'], ['…'])"),
        (
            """select "it's", 'CANARY' from "a""b'c" where d = ''""",
            """select "it's", '…' from "a""b'c" where d = '…'""",
        ),
    ],
)
def test_sql_in_logs_has_no_text_literals(sql: str, shown: str) -> None:
    assert hide_literals(sql) == shown
