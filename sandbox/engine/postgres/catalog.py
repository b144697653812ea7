"""Tables of a Postgres database, read from its catalogue: columns, sizes, keys and references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.database_schema import DeclaredReference, DeclaredTable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.engine.postgres.snapshot import PostgresSnapshot


@dataclass(frozen=True, kw_only=True)
class CatalogColumn:
    """A column and its base type, with domains resolved.

    Attributes:
        name: The column's name.
        type: The type's name in the catalogue (``int4``, ``numeric``, ``mood``); for an array, its items' type.
        kind: The kind of the type: ``b`` for a base type, ``e`` enum, ``c`` composite, ``r`` range, ``m`` multirange.
        is_array: Whether it is an array.
        modifier: The type's modifier, -1 if there is none.
        number: Its number in the table.
        is_readable: Whether the role may read it.
    """

    name: str
    type: str
    kind: str
    is_array: bool
    modifier: int
    number: int
    is_readable: bool


@dataclass(frozen=True, kw_only=True)
class PostgresTable:
    """A table of a database.

    Attributes:
        oid: Its number in the catalogue.
        declaration: Its schema, name, key and references.
        columns: Its columns, in order.
        rows: Estimated number of rows from the server's statistics; None if unknown.
        bytes: Its size on the server's disk, without indexes.
        is_ordinary: Whether it is an ordinary table with blocks of its own.
        is_view: Whether it is a view or a materialised view.
        is_populated: Whether it can be read; a materialised view may be not.
        is_readable: Whether the role may read all of it.
        policies: The policies that decide which rows the role sees; None without row-level security for this role.
    """

    oid: int
    declaration: DeclaredTable
    columns: tuple[CatalogColumn, ...]
    rows: int | None
    bytes: int
    is_ordinary: bool
    is_view: bool
    is_populated: bool
    is_readable: bool
    policies: tuple[str, ...] | None


def list_tables(snapshot: PostgresSnapshot) -> list[PostgresTable]:
    """Return the tables, partitioned tables, views and foreign tables of a database, by schema and name.

    Raises:
        SourceError: The database does not answer.
    """
    columns: dict[int, list[CatalogColumn]] = {}
    for oid, *cells in snapshot.fetch_rows(COLUMNS_QUERY):
        name, number, kind_name, kind, array, modifier, readable = cells
        columns.setdefault(oid, []).append(
            CatalogColumn(
                name=name, type=kind_name, kind=kind, is_array=array, modifier=modifier, number=number, is_readable=readable
            )
        )  # fmt: skip
    numbers = {oid: {column.number: column.name for column in group} for oid, group in columns.items()}
    unique_keys: dict[int, tuple[str, ...]] = {}
    for oid, keys in snapshot.fetch_rows(KEYS_QUERY):  # the primary key first
        unique_keys.setdefault(oid, tuple(numbers[oid][key] for key in keys))
    tables = snapshot.fetch_rows(TABLES_QUERY)
    names = {oid: (schema, name) for oid, schema, name, *_ in tables}
    references = _read_references(snapshot, {oid for oid, *_ in tables}, names)
    return [
        PostgresTable(
            oid=oid,
            declaration=DeclaredTable(
                schema=schema,
                table=name,
                key=unique_keys.get(oid, ()),
                references=tuple(references.get(oid, [])),
            ),
            columns=tuple(columns.get(oid, [])),
            rows=rows,
            bytes=size,
            is_ordinary=plain,
            is_view=view,
            is_populated=populated,
            is_readable=readable,
            policies=tuple(policies) if policies is not None else None,
        )
        for oid, schema, name, rows, size, plain, view, populated, readable, policies in tables
    ]


def _read_references(
    snapshot: PostgresSnapshot, tables: Collection[int], names: Mapping[int, tuple[str, str]]
) -> dict[int, list[DeclaredReference]]:
    """Return the foreign keys of each table by its number.

    One that is declared on partitions is the partitioned table's if every partition has it.
    """
    covered: dict[tuple[int, DeclaredReference], set[int]] = {}
    leaves: dict[int, set[int]] = {}
    for oid, parts, all_parts, columns, target, key in snapshot.fetch_rows(REFERENCES_QUERY):
        if oid in tables and target in tables:
            schema, table = names[target]
            reference = DeclaredReference(columns=tuple(columns), schema=schema, table=table, key=tuple(key))
            covered.setdefault((oid, reference), set()).update(parts)
            leaves[oid] = set(all_parts)
    references: dict[int, list[DeclaredReference]] = {}
    for (oid, reference), parts in covered.items():
        if parts >= leaves[oid]:
            references.setdefault(oid, []).append(reference)
    return references


USER_RELATIONS = """n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not c.relispartition"""
TABLES_QUERY = f"""
select c.oid::bigint, n.nspname::text, c.relname::text,
    (select case when count(*) = count(*) filter (where p.reltuples >= 0) then sum(p.reltuples)::bigint end
        from pg_class p where p.relkind <> 'p' and p.oid in (select c.oid union all select relid from pg_partition_tree(c.oid))),
    (select coalesce(sum(pg_table_size(p.relid)), 0)::bigint from (select c.oid as relid where c.relkind in ('r', 'm')
        union select relid from pg_partition_tree(c.oid)) p),
    c.relkind in ('r', 'm') and not exists (select from pg_inherits i where i.inhparent = c.oid)
        and (select amname from pg_am a where a.oid = c.relam) = 'heap',
    c.relkind in ('v', 'm'), c.relispopulated,
    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'),
    case when row_security_active(c.oid) then array(select p.polname::text from pg_policy p
        where p.polrelid = c.oid and p.polcmd in ('*', 'r') and exists (
            select from unnest(p.polroles) role where role = 0 or pg_has_role(role, 'member')) order by 1) end
from pg_class c join pg_namespace n on n.oid = c.relnamespace where {USER_RELATIONS} order by 2, 3"""
# A domain's base type is resolved recursively; the innermost modifier that is set applies.
COLUMNS_QUERY = f"""
with recursive steps as (
    select c.oid as relation, a.attname, a.attnum, a.atttypid as type, a.atttypmod as modifier,
        has_schema_privilege(n.oid, 'usage') and has_column_privilege(c.oid, a.attnum, 'select') as readable
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    where {USER_RELATIONS} and a.attnum > 0 and not a.attisdropped
  union all
    select relation, attname, attnum, t.typbasetype, case when modifier >= 0 then modifier else t.typtypmod end, readable
    from steps join pg_type t on t.oid = steps.type where t.typtype = 'd'
)
select s.relation::bigint, s.attname::text, s.attnum::int, coalesce(i.typname, t.typname)::text,
    coalesce(i.typtype, t.typtype)::text, i.oid is not null, s.modifier, s.readable
from steps s join pg_type t on t.oid = s.type left join pg_type i on i.oid = t.typelem and t.typcategory = 'A'
where t.typtype <> 'd' order by s.relation, s.attnum"""
KEYS_QUERY = (
    """
select i.indrelid::bigint, i.indkey[0:i.indnkeyatts - 1]::int[] from pg_index i
where i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null and not exists (
    select from unnest(i.indkey[0:i.indnkeyatts - 1]) k join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k
    where not a.attnotnull)
    and i.indrelid in (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where """
    + USER_RELATIONS
    + """)
order by i.indrelid, not i.indisprimary, i.indnkeyatts, i.indexrelid"""
)
# Columns by name, since their numbers differ between a partition and its table.
REFERENCES_QUERY = """
select coalesce(pg_partition_root(f.conrelid), f.conrelid)::bigint,
    array(select relid::bigint from pg_partition_tree(f.conrelid) where isleaf),
    array(select relid::bigint from pg_partition_tree(pg_partition_root(f.conrelid)) where isleaf),
    array(select a.attname::text from unnest(f.conkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number order by k.place),
    coalesce(pg_partition_root(f.confrelid), f.confrelid)::bigint,
    array(select a.attname::text from unnest(f.confkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number order by k.place)
from pg_constraint f where f.contype = 'f' and f.conparentid = 0 order by 1, f.conname, f.oid"""
