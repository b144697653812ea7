"""Open a table for a proposal, with the settings that its files need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.config.sections.csv import CsvSection
from sandbox.config.sections.sample import TableSection
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import SourceError
from sandbox.sources.checks.csv_notation import find_notation_hints, merge_hints, render_csv_settings
from sandbox.sources.files.csv_layout import propose_encoding
from sandbox.sources.open_table import open_table
from sandbox.sources.registry import ADAPTERS, build_select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceListing
    from sandbox.sources.table import SourceTable

WIDE_VALUE_BYTES = 2000  # mean size of a value from which its column costs more than it is worth in most pipelines
SAMPLED_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a table is read.

    Attributes:
        table: The opened table.
        fixed_types: Column -> the type to read it with, and the reason.
        csv: Settings of ``csv`` as TOML; empty without any.
        reasons: Why, one for each column or file.
        wide_columns: Columns of large texts or bytes.
    """

    table: SourceTable
    fixed_types: Mapping[str, tuple[str, str]]
    csv: str
    reasons: tuple[str, ...]
    wide_columns: tuple[str, ...]


def open_suggested_table(session: Session, listing: SourceListing, name: str) -> Reading:
    """Open a table, and find the settings with which all its values are read as what they are.

    Raises:
        SandboxError: It cannot be read with any.
    """
    form, files = listing.find_table(name)
    adapter = ADAPTERS[form]
    fixed_types = adapter.find_unsupported_columns(listing, name)
    section = TableSection(types={column: kind for column, (kind, _) in fixed_types.items()})
    csv: dict[str, Any] = {}
    reasons: list[str] = []
    try:
        table = open_table(session, listing, name, section)
    except SourceError as error:
        if not adapter.has_header_line or not error.message.endswith("is not UTF-8"):
            raise
        csv["encoding"] = propose_encoding(files[0])
        reasons.append(f"{error.message.rpartition('/')[2]}, and {csv['encoding']} decodes the file")
        table = open_table(session, listing, name, _add_csv(section, csv))
    hints = find_notation_hints(session, table)
    if hints:
        csv |= merge_hints(hints)
        reasons += [hint.reason for hint in hints]
        table = open_table(session, listing, name, _add_csv(section, csv))
    return Reading(
        table=table,
        fixed_types=fixed_types,
        csv=render_csv_settings(csv) if csv else "",
        reasons=tuple(reasons),
        wide_columns=_find_wide_columns(session, table),
    )


def _add_csv(section: TableSection, csv: dict[str, Any]) -> TableSection:
    return section.model_copy(update={"csv": CsvSection.model_validate(csv)})


def _find_wide_columns(session: Session, table: SourceTable) -> tuple[str, ...]:
    """Return the columns of texts or bytes with large values in the first rows."""
    names = [name for name, kind in table.columns.items() if kind in {"VARCHAR", "BLOB", "JSON"}]
    if not names or table.width < WIDE_VALUE_BYTES:
        return ()
    sizes = ", ".join(f"avg(strlen({quote_identifier(name)}::varchar))" for name in names)
    [row] = session.fetch_rows(
        f"select {sizes} from (select * from ({build_select(table)}) limit {SAMPLED_ROWS})",
        doing=f"looking at rows of {table.name}",
    )
    return tuple(name for name, size in zip(names, row, strict=True) if (size or 0) >= WIDE_VALUE_BYTES)
