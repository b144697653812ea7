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
from sandbox.engine.duckdb.session import quote
from sandbox.engine.rule.prn import PRIME
from sandbox.engine.spark import table as spark_table
from sandbox.engine.spark.cluster import Cluster, Where
from sandbox.engine.spark.scan import Scan
from sandbox.errors import ConfigError
from sandbox.sources.table import SourceTable, scanned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import Listing

TOGETHER_BYTES = 2**30  # of files that are asked for at once
MOST_GROUPS = 200_000


def through(listing: Listing, section: SparkSection | None) -> Listing:
    """Let a cluster read what a source has: tables of Parquet; others say that it cannot.

    Raises:
        ConfigError: The source is neither a folder nor a bucket.
        SourceError: Spark is not there or does not answer.
    """
    if not listing.is_folder:
        raise ConfigError(
            f'engine = "spark" reads folders and buckets of Parquet, and {listing.shown} is neither',
            hint="leave engine out: this source is read without Spark",
        )
    section = section or SparkSection()
    remote = section.remote or (os.environ.get("SPARK_REMOTE") if section.master is None else None)
    cluster = Cluster(Where(remote=remote, master=section.master or "local[*]", python=section.python))
    files: dict[str, Any] = {}
    problems = dict(listing.problems)
    for name, (form, found) in listing.files.items():
        if form == "parquet":
            files[name] = ("spark", tuple(replace(file, opened=cluster) for file in found))
        else:
            problems[name] = f'{name} is {form}; engine = "spark" reads Parquet alone, so leave engine out'
    return replace(listing, files=files, problems=problems, moment=cluster)


def opened(session: Session, table: SourceTable) -> SourceTable:
    """Give a table whose rows come from a cluster.

    Args:
        session: The engine.
        table: The same table as its files say, constants of folders among its columns.

    Raises:
        SourceError: The cluster cannot read it.
    """
    cluster: Cluster = table.files[0].opened
    constants = {
        name: [dict(file.constants)[name] for file in table.files]
        for name, _ in table.files[0].constants
        if name in table.columns
    }
    schema = cluster.parquet([table.files[0].path]).schema
    about = spark_table.Table(
        cluster=cluster,
        name=table.name,
        paths=tuple(file.path for file in table.files),
        columns=tuple(table.columns),
        types=table.columns,
        constants=constants,
        schema=schema,
        kinds=spark_table.kinds(cluster, schema, list(table.columns), constants),
    )
    found = replace(
        table,
        format="spark",
        files=tuple(replace(file, opened=about, constants=()) for file in table.files),
    )
    attach(session, found)
    return found


def attach(session: Session, table: SourceTable) -> None:
    """Let a session read a table: whole, or file by file, and then as far as it is narrowed."""
    about = _about(table)
    session.on_interrupt(about.cluster.cancel)
    whole = Scan(about, list(_together(table)), narrowed=False, failed=session.blame)
    session.lend(scanned(table.name), whole)
    for index in range(len(table.files)):
        one = Scan(about, [[index]], narrowed=True, failed=session.blame)
        session.lend(scanned(table.name, index), one)


def grouped(table: SourceTable, columns: Sequence[str], key: Sequence[str]) -> pa.Table | None:
    """Count rows by some columns, in the cluster (see `sandbox.engine.spark.table.grouped`)."""
    if not _pushes(table, columns):
        return None
    return spark_table.grouped(_about(table), columns, key, most=MOST_GROUPS)


@contextlib.contextmanager
def narrowed(table: SourceTable, condition: Any) -> Iterator[None]:
    """As long as the block lasts, leave out rows of a table."""
    with _about(table).narrowed(condition):
        yield


def pushed(table: SourceTable) -> list[str]:
    """Give the columns whose values are surely understood alike on both sides."""
    return [name for name in table.columns if _pushes(table, [name])]


def drawn_by_rule(
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
    if below >= PRIME or not _pushes(table, key):
        return None
    return spark_table.by_rule(_about(table), key, coefficients, below, whole)


def named_by_keys(
    session: Session, table: SourceTable, pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]], keys: str
) -> Any:
    """Give what leaves out rows that have none of some keys; None lets all through (see `sandbox.sampler.plan.pushdown`)."""
    about = _about(table)
    columns = [column for (column, _), _ in pairs]
    if not _pushes(table, columns):
        return None
    values = []
    for (_, kind), (name, other) in pairs:
        both = {kind, other} <= spark_table.INTEGERS
        if not both and kind != other:
            return None
        values.append(f"{quote(name)}::{'BIGINT' if both else kind}")
    sizes = " + ".join(f"coalesce(sum(strlen(({value})::varchar) + 4), 0)" for value in values)
    if session.rows(f"select {sizes} from {keys}")[0][0] > spark_table.MOST_BYTES:
        return None
    sql = f"select distinct {', '.join(f'{value} as k{n}' for n, value in enumerate(values))} from {keys}"
    found = list(session.batches(sql, size=1 << 16))
    return spark_table.with_keys(about, columns, pa.Table.from_batches(found)) if found else None


def _pushes(table: SourceTable, columns: Sequence[str]) -> bool:
    """Say whether values of some columns are surely understood alike on both sides, also where the file fixes a type."""
    about = _about(table)
    return about.pushes(columns) and all(table.columns[name] == about.types[name] for name in columns)


def _about(table: SourceTable) -> spark_table.Table:
    about: spark_table.Table = table.files[0].opened
    return about


def _together(table: SourceTable) -> Iterator[list[int]]:
    """Give groups of files; those of a table with constants are asked for one by one, which tells whose rows they are."""
    group: list[int] = []
    held = 0
    alone = bool(_about(table).constants)
    for index, file in enumerate(table.files):
        if group and (alone or held + file.bytes > TOGETHER_BYTES):
            yield group
            group, held = [], 0
        group.append(index)
        held += file.bytes
    if group:
        yield group
