"""Tables declared in a database file, independent of its format."""

from __future__ import annotations

from dataclasses import dataclass

DUCKDB, SQLITE = "duckdb", "sqlite"


@dataclass(frozen=True, kw_only=True)
class DeclaredReference:
    """A declared foreign key: ``columns`` refer to the ``key`` of another table."""

    columns: tuple[str, ...]
    schema: str
    table: str
    key: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DeclaredTable:
    """A table of a database.

    Attributes:
        schema: Its schema.
        table: Its name in the schema.
        key: Columns of the primary key, else of the first unique constraint without NULLs; empty if there is neither.
        references: Its foreign keys.
    """

    schema: str
    table: str
    key: tuple[str, ...] = ()
    references: tuple[DeclaredReference, ...] = ()


def detect_database_format(head: bytes) -> str | None:
    """Return the database format of a file from its first 16 bytes; None if unknown.

    >>> detect_database_format(b"SQLite format 3" + bytes(1)), detect_database_format(bytes(8) + b"DUCK" + bytes(4)), detect_database_format(b"id")
    ('sqlite', 'duckdb', None)
    """
    if head.startswith(b"SQLite format 3\0"):
        return SQLITE
    return DUCKDB if head[8:12] == b"DUCK" else None
