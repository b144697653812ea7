"""The answer to a query, for a terminal or as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sandbox.formatting import cut, many, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

WIDEST = 60
ALIGNED = ("INT", "INTEGER", "DOUBLE", "FLOAT")


def answer(
    columns: Mapping[str, str], rows: Sequence[Sequence[str | None]], *, complete: bool
) -> RenderableType:
    """Show rows as a table; values are cut, and control characters made visible."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, kind in columns.items():
        numeric = kind.startswith("DECIMAL") or kind.endswith(ALIGNED)
        table.add_column(Text(visible(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(Text("NULL", style="dim") if text is None else Text(cut(visible(text), WIDEST)) for text in row)
        )
    more = "" if complete else "; there are more: --all gives every row"
    return Group(table, Text(f"{many(len(rows), 'row')}{more}", style="dim"))


def as_csv(columns: Mapping[str, str], rows: Sequence[Sequence[str | None]]) -> str:
    r"""Give CSV as RFC 4180 describes it: NULL is an empty field, an empty text is ``""``.

    >>> as_csv({"a": "VARCHAR", "b": "VARCHAR"}, [("", None), ("x,y", "z")])
    'a,b\n"",\n"x,y",z\n'
    """
    return "".join(",".join(map(_field, row)) + "\n" for row in (list(columns), *rows))


def _field(text: str | None) -> str:
    if text is None:
        return ""
    plain = text and not any(one in text for one in ',"\r\n')
    return text if plain else '"' + text.replace('"', '""') + '"'
