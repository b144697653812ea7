"""Read the rows of Parquet files through a Spark cluster.

Columns, types and row counts come from the files, as for other sources, so types do not depend on the reader. The
session decides which rows are drawn; the cluster applies the same filters early.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.config.sections.source import SparkSection
from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.rule.prn import PRIME
from sandbox.engine.spark import table as spark_table
from sandbox.engine.spark.cluster import SparkCluster, SparkEndpoint
from sandbox.errors import ConfigError
from sandbox.sources.adapters.parquet_files import ParquetAdapter
from sandbox.sources.adapters.scan_view import build_scan_select, name_scan_view
from sandbox.sources.files.partitions import add_partition_columns
from sandbox.sources.protocol import MAX_GROUPS, SourceAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceListing
    from sandbox.sources.protocol import ColumnPairs, DrawRule, TableRequest
    from sandbox.sources.table import SourceTable

MAX_SCAN_BYTES = 2**30  # bytes of files per request


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
    return replace(listing, files=files, problems=problems, is_folder=False, connection=cluster)


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


@dataclass(frozen=True, kw_only=True)
class SparkDetails:
    """The cluster's side of a table, and whether its files have metadata that the cluster does not keep."""

    table: spark_table.SparkTable = field(compare=False)
    has_pandas_metadata: bool = False


class SparkAdapter(SourceAdapter):
    """Parquet tables of a folder or bucket, read by a cluster."""

    format = "spark"

    def open_table(self, session: Session, request: TableRequest) -> SourceTable:
        table = ParquetAdapter().open_table(session, replace(request, fixed={}))
        table = add_partition_columns(session, table, request.fixed)
        taken = {name: kind for name, kind in table.columns.items() if request.section.takes_column(name)}
        every, table = table.all_columns, replace(table, columns=taken)
        opened = replace(
            table,
            format=self.format,
            source_columns=every,
            pandas=None,
            files=tuple(replace(file, constants=()) for file in table.files),
            details=SparkDetails(table=_build_spark_table(table), has_pandas_metadata=table.pandas is not None),
        )
        self.attach_table(session, opened)
        return opened

    def list_warnings(self, table: SourceTable) -> list[str]:
        assert isinstance(table.details, SparkDetails)
        if not table.details.has_pandas_metadata:
            return []
        held = "metadata (of pandas, of fields, or extension types)"
        return [f'{table.name}: its Parquet files have {held}, which engine = "spark" does not keep']

    def attach_table(self, session: Session, table: SourceTable) -> None:
        """Register a table in a session: whole, and by file with filters."""
        from sandbox.engine.spark.scan import SparkScan  # noqa: PLC0415 - slow, see `arrow_scan`

        handle = get_spark_table(table)
        session.add_interrupt_callback(handle.cluster.cancel)
        whole = SparkScan(handle, list(_group_files(table)), narrowed=False, failed=session.set_statement_error)
        session.register_table(name_scan_view(table.name), whole)
        for index in range(len(table.files)):
            scan = SparkScan(handle, [[index]], narrowed=True, failed=session.set_statement_error)
            session.register_table(name_scan_view(table.name, index), scan)

    def build_select(self, table: SourceTable, files: Sequence[int] | None, number: str | None) -> str:
        return build_scan_select(
            table, None if files is None else files[0], number, order=get_spark_table(table).columns
        )

    def list_pushable_columns(self, table: SourceTable) -> list[str]:
        return [name for name in table.columns if _can_push_columns(table, [name])]

    def count_groups(self, table: SourceTable, columns: Sequence[str], key: Sequence[str]) -> pa.Table | None:
        if not _can_push_columns(table, columns):
            return None
        return spark_table.count_groups(get_spark_table(table), columns, key, most=MAX_GROUPS)

    def build_rule_filter(self, table: SourceTable, rule: DrawRule) -> Any:
        if rule.threshold >= PRIME or not _can_push_columns(table, rule.key):
            return None
        whole = (rule.label_columns, rule.labels)
        return spark_table.build_rule_filter(get_spark_table(table), rule.key, rule.coefficients, rule.threshold, whole)

    def build_key_filter(self, session: Session, table: SourceTable, pairs: ColumnPairs, keys: str) -> Any:
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
        if not batches:
            return None
        return spark_table.build_key_filter(get_spark_table(table), columns, pa.Table.from_batches(batches))

    @contextlib.contextmanager
    def filter_rows(self, table: SourceTable, condition: Any) -> Iterator[None]:
        if condition is None:
            yield
            return
        with get_spark_table(table).filter_rows(condition):
            yield


def get_spark_table(table: SourceTable) -> spark_table.SparkTable:
    """Return the cluster's side of a table."""
    assert isinstance(table.details, SparkDetails)
    return table.details.table


def _build_spark_table(table: SourceTable) -> spark_table.SparkTable:
    """Return the cluster's side of a table, opened from its files with partition columns.

    Raises:
        SourceError: The cluster cannot read it.
    """
    cluster: SparkCluster = table.files[0].handle
    constants = {
        name: [dict(file.constants)[name] for file in table.files]
        for name, _ in table.files[0].constants
        if name in table.columns
    }
    rows = cluster.read_parquet([table.files[0].path])
    return spark_table.SparkTable(
        cluster=cluster,
        name=table.name,
        paths=tuple(file.path for file in table.files),
        columns=tuple(table.columns),
        types=table.columns,
        constants=constants,
        schema=rows.schema,
        kinds=spark_table.find_arrow_types(cluster, rows, list(table.columns), constants),
    )


def _can_push_columns(table: SourceTable, columns: Sequence[str]) -> bool:
    """Check that DuckDB and Spark interpret the columns alike, types fixed in the settings included."""
    handle = get_spark_table(table)
    return handle.can_push_down(columns) and all(table.columns[name] == handle.types[name] for name in columns)


def _group_files(table: SourceTable) -> Iterator[list[int]]:
    """Yield groups of file indexes; with constants one by one, to know the file of each row."""
    group: list[int] = []
    held = 0
    alone = bool(get_spark_table(table).constants)
    for index, file in enumerate(table.files):
        if group and (alone or held + file.bytes > MAX_SCAN_BYTES):
            yield group
            group, held = [], 0
        group.append(index)
        held += file.bytes
    if group:
        yield group
