"""What a database file declares of its tables, whatever wrote it."""

from __future__ import annotations

from dataclasses import dataclass

DUCKDB, SQLITE = "duckdb", "sqlite"


@dataclass(frozen=True, kw_only=True)
class DeclaredReference:
    """A reference that a database declares: ``columns`` name a row of a table by its ``key``."""

    columns: tuple[str, ...]
    schema: str
    table: str
    key: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DeclaredTable:
    """A table of a database.

    Attributes:
        schema: Its schema.
        table: Its name there.
        key: The columns of its primary key, else of the first that are unique and never NULL; empty if there are none.
        references: What it refers to.
    """

    schema: str
    table: str
    key: tuple[str, ...] = ()
    references: tuple[DeclaredReference, ...] = ()


def detect_database_format(head: bytes) -> str | None:
    """Give whose database a file is, by its first 16 bytes; None where it is none of these.

    >>> detect_database_format(b"SQLite format 3" + bytes(1)), detect_database_format(bytes(8) + b"DUCK" + bytes(4)), detect_database_format(b"id")
    ('sqlite', 'duckdb', None)
    """
    if head.startswith(b"SQLite format 3\0"):
        return SQLITE
    return DUCKDB if head[8:12] == b"DUCK" else None
