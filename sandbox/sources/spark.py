"""Read the rows of Parquet files through a Spark cluster.

Columns, types and row counts come from the files, as for other sources, so types do not depend on the reader. The
session decides which rows are drawn; the cluster applies the same filters early.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
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

MAX_SCAN_BYTES = 2**30  # bytes of files per request
MAX_GROUPS = 200_000


def connect_cluster(listing: SourceListing, section: SparkSection | None) -> SourceListing:
    """Connect a listing's Parquet tables to a cluster; other tables become problems.

    Raises:
        ConfigError: The source is neither a folder nor a bucket.
        SourceError: Spark is missing or does not answer.
    """
    if not listing.is_folder:
        raise ConfigError(
            f'engine = "spark" reads folders and buckets of Parquet, and {listing.display_name} is neither',
            hint="leave engine out: this source is read without Spark",
        )
    section = section or SparkSection()
    _check_local_python(section)
    remote = section.remote or (os.environ.get("SPARK_REMOTE") if section.master is None else None)
    cluster = SparkCluster(SparkEndpoint(remote=remote, master=section.master or "local[*]", python=section.python))
    files: dict[str, Any] = {}
    problems = dict(listing.problems)
    for name, (form, table_files) in listing.files.items():
        if form == "parquet":
            files[name] = ("spark", tuple(replace(file, handle=cluster) for file in table_files))
        else:
            problems[name] = f'{name} is {form}; engine = "spark" reads Parquet alone, so leave engine out'
    return replace(listing, files=files, problems=problems, connection=cluster)


def _check_local_python(section: SparkSection) -> None:
    """Check that no file of a repository becomes a program of this machine, outside every isolation.

    Raises:
        ConfigError: The Python of Spark's processes here lies in a git repository.
    """
    if section.python is None or "/" not in section.python or section.python == sys.executable or section.remote:
        return
    if section.master is not None and not section.master.startswith("local"):
        return
    path = Path(section.python).absolute()
    if any((parent / ".git").exists() for parent in (*path.parents, *path.resolve().parents)):
        raise ConfigError(
            f"source.spark.python = {section.python!r} lies in a git repository, so that a change could replace it",
            hint="leave it out: Spark's processes on this machine use the Python of sandbox",
        )


def open_table(session: Session, table: SourceTable) -> SourceTable:
    """Return a table, opened from its files with partition columns, whose rows are read by the cluster.

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
    handle = spark_table.SparkTable(
        cluster=cluster,
        name=table.name,
        paths=tuple(file.path for file in table.files),
        columns=tuple(table.columns),
        types=table.columns,
        constants=constants,
        schema=schema,
        kinds=spark_table.find_arrow_types(cluster, schema, list(table.columns), constants),
    )
    opened = replace(
        table,
        format="spark",
        files=tuple(replace(file, handle=handle, constants=()) for file in table.files),
    )
    attach_table(session, opened)
    return opened


def attach_table(session: Session, table: SourceTable) -> None:
    """Register a table in a session: whole, and by file with filters."""
    handle = _unpack_handle(table)
    session.add_interrupt_callback(handle.cluster.cancel)
    whole = SparkScan(handle, list(_group_files(table)), narrowed=False, failed=session.set_statement_error)
    session.register_table(name_scan_view(table.name), whole)
    for index in range(len(table.files)):
        scan = SparkScan(handle, [[index]], narrowed=True, failed=session.set_statement_error)
        session.register_table(name_scan_view(table.name, index), scan)


def count_groups(table: SourceTable, columns: Sequence[str], key: Sequence[str]) -> pa.Table | None:
    """Count rows by some columns in the cluster (see `sandbox.engine.spark.table.count_groups`)."""
    if not _can_push_columns(table, columns):
        return None
    return spark_table.count_groups(_unpack_handle(table), columns, key, most=MAX_GROUPS)


@contextlib.contextmanager
def filter_rows(table: SourceTable, condition: Any) -> Iterator[None]:
    """Filter a table's rows inside the block."""
    with _unpack_handle(table).filter_rows(condition):
        yield


def list_pushable_columns(table: SourceTable) -> list[str]:
    """Return the columns whose values DuckDB and Spark interpret alike."""
    return [name for name in table.columns if _can_push_columns(table, [name])]


def build_rule_filter(
    table: SourceTable,
    key: Sequence[str],
    coefficients: Sequence[int],
    below: int,
    whole: tuple[Sequence[str], Sequence[str]],
) -> Any:
    """Build a filter against rows certainly not drawn; None keeps all rows.

    Args:
        table: The unit table.
        key: Its key.
        coefficients: Of its draw.
        below: Threshold of most rows.
        whole: Columns, and their labels of strata that are taken whole.
    """
    if below >= PRIME or not _can_push_columns(table, key):
        return None
    return spark_table.build_rule_filter(_unpack_handle(table), key, coefficients, below, whole)


def build_key_filter(
    session: Session, table: SourceTable, pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]], keys: str
) -> Any:
    """Build a filter for rows with one of some keys; None keeps all rows (see `sandbox.sampler.plan.pushdown`)."""
    handle = _unpack_handle(table)
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
    batches = list(session.fetch_batches(sql, size=1 << 16))
    return spark_table.build_key_filter(handle, columns, pa.Table.from_batches(batches)) if batches else None


def _can_push_columns(table: SourceTable, columns: Sequence[str]) -> bool:
    """Check that DuckDB and Spark interpret the columns alike, types fixed in the settings included."""
    handle = _unpack_handle(table)
    return handle.can_push_down(columns) and all(table.columns[name] == handle.types[name] for name in columns)


def _unpack_handle(table: SourceTable) -> spark_table.SparkTable:
    handle: spark_table.SparkTable = table.files[0].handle
    return handle


def _group_files(table: SourceTable) -> Iterator[list[int]]:
    """Yield groups of file indexes; with constants one by one, to know the file of each row."""
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
