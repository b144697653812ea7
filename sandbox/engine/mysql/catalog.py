"""Tables of a MySQL database, read from its catalogue: columns, sizes, keys and references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.database_schema import DeclaredReference, DeclaredTable
from sandbox.engine.duckdb.session import quote_identifier, quote_literal

if TYPE_CHECKING:
    from sandbox.engine.mysql.snapshot import MySQLSnapshot

SYSTEM_SCHEMAS = ("information_schema", "performance_schema", "mysql", "sys")
TRANSACTIONAL_ENGINES = {"innodb", "rocksdb", "tokudb", "ndbcluster"}


@dataclass(frozen=True, kw_only=True)
class MySQLCatalogColumn:
    """A column as the catalogue describes it.

    Attributes:
        name: The column's name.
        type: The type's name: ``bigint``, ``varchar``, ``datetime``.
        full_type: The type with its length and signedness: ``bigint(20) unsigned``.
        digits: Digits of a decimal; 0 for others.
        scale: Digits after its point.
        collation: The collation of a text; None for others.
    """

    name: str
    type: str
    full_type: str
    digits: int
    scale: int
    collation: str | None


@dataclass(frozen=True, kw_only=True)
class MySQLTable:
    """A table of a database.

    Attributes:
        declaration: Its schema, name, key and references.
        columns: Its columns, in order.
        bytes: Its size on the server's disk, without indexes.
        is_view: Whether it is a view.
        is_transactional: Whether the snapshot covers it.
    """

    declaration: DeclaredTable
    columns: tuple[MySQLCatalogColumn, ...]
    bytes: int
    is_view: bool
    is_transactional: bool

    @property
    def quoted_name(self) -> str:
        return f"{quote_identifier(self.declaration.schema)}.{quote_identifier(self.declaration.table)}"


def list_tables(snapshot: MySQLSnapshot) -> list[MySQLTable]:
    """Return the tables and views of a database, or of all databases of the server, by schema and name.

    Raises:
        SourceError: The database does not answer.
    """
    names = [snapshot.database] if snapshot.database else SYSTEM_SCHEMAS
    chosen = f"{'in' if snapshot.database else 'not in'} ({', '.join(map(quote_literal, names))})"
    columns: dict[tuple[str, str], list[MySQLCatalogColumn]] = {}
    for schema, table, name, kind, full_type, digits, scale, collation in snapshot.fetch_rows(
        COLUMNS_QUERY.format(chosen)
    ):
        columns.setdefault((schema, table), []).append(
            MySQLCatalogColumn(
                name=name, type=kind.lower(), full_type=full_type.lower(), digits=int(digits or 0), scale=int(scale or 0),
                collation=collation,
            )
        )  # fmt: skip
    keys: dict[tuple[str, str], dict[str, list[str]]] = {}
    for schema, table, index, column in snapshot.fetch_rows(KEYS_QUERY.format(chosen)):
        keys.setdefault((schema, table), {}).setdefault(index, []).append(column)
    references: dict[tuple[str, str], dict[str, list[tuple[str, str, str, str]]]] = {}
    for schema, table, constraint, *pair in snapshot.fetch_rows(REFERENCES_QUERY.format(chosen)):
        references.setdefault((schema, table), {}).setdefault(constraint, []).append(
            (pair[0], pair[1], pair[2], pair[3])
        )
    return [
        MySQLTable(
            declaration=DeclaredTable(
                schema=schema,
                table=table,
                key=tuple(next(iter(keys.get((schema, table), {}).values()), ())),
                references=tuple(map(_build_reference, references.get((schema, table), {}).values())),
            ),
            columns=tuple(columns.get((schema, table), ())),
            bytes=int(size or 0),
            is_view="VIEW" in kind,
            is_transactional="VIEW" in kind or (engine or "").lower() in TRANSACTIONAL_ENGINES,
        )
        for schema, table, kind, engine, size in snapshot.fetch_rows(TABLES_QUERY.format(chosen))
    ]


def _build_reference(pairs: list[tuple[str, str, str, str]]) -> DeclaredReference:
    return DeclaredReference(
        columns=tuple(column for column, *_ in pairs),
        schema=pairs[0][1],
        table=pairs[0][2],
        key=tuple(key for *_, key in pairs),
    )


TABLES_QUERY = """select table_schema, table_name, table_type, engine, data_length from information_schema.tables
where table_schema {} and table_type <> 'SEQUENCE' order by table_schema, table_name"""
COLUMNS_QUERY = """select table_schema, table_name, column_name, data_type, column_type, numeric_precision, numeric_scale,
    collation_name from information_schema.columns where table_schema {} order by table_schema, table_name, ordinal_position"""
# Unique indexes over whole columns without NULL; the primary key first.
KEYS_QUERY = """select s.table_schema, s.table_name, s.index_name, s.column_name from information_schema.statistics s
where s.non_unique = 0 and s.table_schema {} and not exists (
    select 1 from information_schema.statistics o where o.table_schema = s.table_schema and o.table_name = s.table_name
    and o.index_name = s.index_name and (o.nullable = 'YES' or o.sub_part is not null or o.column_name is null))
order by s.table_schema, s.table_name, s.index_name <> 'PRIMARY', s.index_name, s.seq_in_index"""
REFERENCES_QUERY = """select table_schema, table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name,
    referenced_column_name from information_schema.key_column_usage
where table_schema {} and referenced_table_name is not null
order by table_schema, table_name, constraint_name, ordinal_position"""
