"""Render the result of a query for a terminal or as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import escape_hidden, format_count, truncate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

MAX_CELL_WIDTH = 60
NUMERIC_SUFFIXES = ("INT", "INTEGER", "DOUBLE", "FLOAT")


def render_query_result(
    columns: Mapping[str, str], rows: Sequence[Sequence[str | None]], *, complete: bool
) -> RenderableType:
    """Render rows as a table; values are truncated, and control characters made visible."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, kind in columns.items():
        numeric = kind.startswith("DECIMAL") or kind.endswith(NUMERIC_SUFFIXES)
        table.add_column(Text(escape_hidden(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(
                Text("NULL", style="dim") if text is None else Text(truncate_text(escape_hidden(text), MAX_CELL_WIDTH))
                for text in row
            )
        )
    more = "" if complete else "; there are more: --all gives every row"
    return Group(table, Text(f"{format_count(len(rows), 'row')}{more}", style="dim"))


def format_csv(columns: Mapping[str, str], rows: Sequence[Sequence[str | None]]) -> str:
    r"""Return CSV according to RFC 4180: NULL is an empty field, an empty text is ``""``.

    >>> format_csv({"a": "VARCHAR", "b": "VARCHAR"}, [("", None), ("x,y", "z")])
    'a,b\n"",\n"x,y",z\n'
    """
    return "".join(",".join(map(_quote_field, row)) + "\n" for row in (list(columns), *rows))


def _quote_field(text: str | None) -> str:
    if text is None:
        return ""
    plain = text and not any(special in text for special in ',"\r\n')
    return text if plain else '"' + text.replace('"', '""') + '"'
