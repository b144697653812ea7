"""A source that Spark reads: the files of a folder or bucket, whose rows come from a cluster.

What the files themselves say (their columns, types and numbers of rows) is read here, as for any other source; so types are the
same whoever reads the rows. The session decides which rows are drawn; the cluster leaves out what it would leave out as well.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.config.settings import SparkSection
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.prn import PRIME
from sandbox.engine.spark import table as spark_table
from sandbox.engine.spark.cluster import SparkCluster, SparkEndpoint
from sandbox.engine.spark.scan import SparkScan
from sandbox.errors import ConfigError
from sandbox.sources.table import SourceTable, name_scan_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceListing

MAX_SCAN_BYTES = 2**30  # of files that are asked for at once
MAX_GROUPS = 200_000


def connect_cluster(listing: SourceListing, section: SparkSection | None) -> SourceListing:
    """Let a cluster read what a source has: tables of Parquet; others say that it cannot.

    Raises:
        ConfigError: The source is neither a folder nor a bucket.
        SourceError: Spark is not there or does not answer.
    """
    if not listing.is_folder:
        raise ConfigError(
            f'engine = "spark" reads folders and buckets of Parquet, and {listing.display_name} is neither',
            hint="leave engine out: this source is read without Spark",
        )
    section = section or SparkSection()
    remote = section.remote or (os.environ.get("SPARK_REMOTE") if section.master is None else None)
    cluster = SparkCluster(SparkEndpoint(remote=remote, master=section.master or "local[*]", python=section.python))
    files: dict[str, Any] = {}
    problems = dict(listing.problems)
    for name, (form, found) in listing.files.items():
        if form == "parquet":
            files[name] = ("spark", tuple(replace(file, handle=cluster) for file in found))
        else:
            problems[name] = f'{name} is {form}; engine = "spark" reads Parquet alone, so leave engine out'
    return replace(listing, files=files, problems=problems, connection=cluster)


def open_table(session: Session, table: SourceTable) -> SourceTable:
    """Give a table whose rows come from a cluster.

    Args:
        session: The engine.
        table: The same table as its files say, constants of folders among its columns.

    Raises:
        SourceError: The cluster cannot read it.
    """
    cluster: SparkCluster = table.files[0].handle
    constants = {
        name: [dict(file.constants)[name] for file in table.files]
        for name, _ in table.files[0].constants
        if name in table.columns
    }
    schema = cluster.read_parquet([table.files[0].path]).schema
    about = spark_table.SparkTable(
        cluster=cluster,
        name=table.name,
        paths=tuple(file.path for file in table.files),
        columns=tuple(table.columns),
        types=table.columns,
        constants=constants,
        schema=schema,
        kinds=spark_table.find_arrow_types(cluster, schema, list(table.columns), constants),
    )
    found = replace(
        table,
        format="spark",
        files=tuple(replace(file, handle=about, constants=()) for file in table.files),
    )
    attach_table(session, found)
    return found


def attach_table(session: Session, table: SourceTable) -> None:
    """Let a session read a table: whole, or file by file, and then as far as it is narrowed."""
    about = _unpack_handle(table)
    session.add_interrupt_callback(about.cluster.cancel)
    whole = SparkScan(about, list(_group_files(table)), narrowed=False, failed=session.set_statement_error)
    session.register_table(name_scan_view(table.name), whole)
    for index in range(len(table.files)):
        one = SparkScan(about, [[index]], narrowed=True, failed=session.set_statement_error)
        session.register_table(name_scan_view(table.name, index), one)


def count_groups(table: SourceTable, columns: Sequence[str], key: Sequence[str]) -> pa.Table | None:
    """Count rows by some columns, in the cluster (see `sandbox.engine.spark.table.count_groups`)."""
    if not _can_push_columns(table, columns):
        return None
    return spark_table.count_groups(_unpack_handle(table), columns, key, most=MAX_GROUPS)


@contextlib.contextmanager
def filter_rows(table: SourceTable, condition: Any) -> Iterator[None]:
    """As long as the block lasts, leave out rows of a table."""
    with _unpack_handle(table).filter_rows(condition):
        yield


def list_pushable_columns(table: SourceTable) -> list[str]:
    """Give the columns whose values are surely understood alike on both sides."""
    return [name for name in table.columns if _can_push_columns(table, [name])]


def build_rule_filter(
    table: SourceTable,
    key: Sequence[str],
    coefficients: Sequence[int],
    below: int,
    whole: tuple[Sequence[str], Sequence[str]],
) -> Any:
    """Give what leaves out rows that are certainly not drawn; None lets all through.

    Args:
        table: The unit table.
        key: Its key.
        coefficients: Of its draw.
        below: The threshold of most rows.
        whole: Columns, and the labels by them of the rows that come whatever their number is.
    """
    if below >= PRIME or not _can_push_columns(table, key):
        return None
    return spark_table.build_rule_filter(_unpack_handle(table), key, coefficients, below, whole)


def build_key_filter(
    session: Session, table: SourceTable, pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]], keys: str
) -> Any:
    """Give what leaves out rows that have none of some keys; None lets all through (see `sandbox.sampler.plan.pushdown`)."""
    about = _unpack_handle(table)
    columns = [column for (column, _), _ in pairs]
    if not _can_push_columns(table, columns):
        return None
    values = []
    for (_, kind), (name, other) in pairs:
        both = {kind, other} <= spark_table.SIGNED_INTEGER_TYPES
        if not both and kind != other:
            return None
        values.append(f"{quote_identifier(name)}::{'BIGINT' if both else kind}")
    sizes = " + ".join(f"coalesce(sum(strlen(({value})::varchar) + 4), 0)" for value in values)
    if session.fetch_rows(f"select {sizes} from {keys}")[0][0] > spark_table.MAX_KEY_BYTES:
        return None
    sql = f"select distinct {', '.join(f'{value} as k{n}' for n, value in enumerate(values))} from {keys}"
    found = list(session.fetch_batches(sql, size=1 << 16))
    return spark_table.build_key_filter(about, columns, pa.Table.from_batches(found)) if found else None


def _can_push_columns(table: SourceTable, columns: Sequence[str]) -> bool:
    """Say whether values of some columns are surely understood alike on both sides, also where the file fixes a type."""
    about = _unpack_handle(table)
    return about.can_push_down(columns) and all(table.columns[name] == about.types[name] for name in columns)


def _unpack_handle(table: SourceTable) -> spark_table.SparkTable:
    about: spark_table.SparkTable = table.files[0].handle
    return about


def _group_files(table: SourceTable) -> Iterator[list[int]]:
    """Give groups of files; those of a table with constants are asked for one by one, which tells whose rows they are."""
    group: list[int] = []
    held = 0
    alone = bool(_unpack_handle(table).constants)
    for index, file in enumerate(table.files):
        if group and (alone or held + file.bytes > MAX_SCAN_BYTES):
            yield group
            group, held = [], 0
        group.append(index)
        held += file.bytes
    if group:
        yield group
