"""Describe the columns of files, and check that they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile


def describe_columns(session: Session, select: str) -> dict[str, str]:
    """Return the columns of a SELECT and DuckDB's names of their types."""
    return {row[0]: row[1] for row in session.fetch_rows(f"describe {select}", doing="reading the columns")}


def check_same_columns(files: Sequence[SourceFile], columns: Sequence[tuple[str, ...]]) -> None:
    """Check that every file has the columns of the first, in any order."""
    first = set(columns[0])
    for file, names in zip(files, columns, strict=True):
        check_distinct_columns(file, names)
        if set(names) != first:
            missing, extra = sorted(first - set(names)), sorted(set(names) - first)
            parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has also {', '.join(extra)}"] * bool(extra)
            raise SourceError(
                f"{file.path} does not have the columns of {files[0].path}: it {' and '.join(parts)}",
                hint="the files of a table have the same columns; write them again, or move some out of the folder",
            )


def check_distinct_columns(file: SourceFile, names: Sequence[str]) -> None:
    """Check that the columns of a file differ in more than case."""
    lower = [name.lower() for name in names]
    twice = sorted({name for name in names if lower.count(name.lower()) > 1})
    if twice:
        raise SourceError(f"{file.path}: columns that differ at most in case: {', '.join(twice)}")
