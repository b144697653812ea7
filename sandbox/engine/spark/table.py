"""A table of Parquet files as data frames of Spark: all of it, what the rule may draw, what has some keys, or counts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.engine.rule import pushdown_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sandbox.engine.spark.cluster import Cluster

PLACE = "place"  # of a row in its file; the table's own columns are called by their numbers
DIALECT: pushdown_sql.Dialect = "databricks"  # which is Spark's
# The session's types whose values have one text on both sides, or are compared as they are.
TEXTS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
YEARS = ("0001-01-01", "9999-12-31")  # beyond which the sides write dates differently
MOST_BYTES = 64 * 2**20  # of keys that are sent


@dataclass(kw_only=True, eq=False)
class Table:
    """A table.

    Attributes:
        cluster: Who reads it.
        name: As in ``sandbox.toml``.
        paths: Its files.
        columns: Its columns, in order.
        types: The session's names of their types.
        constants: Columns that stand in the names of folders, with the text of each file; the files do not hold them.
        schema: Spark's, of what the files hold.
        kinds: For each column what arrives.
        condition: What leaves rows out of a data frame with the columns ``c<n>``, while there is such a thing.
    """

    cluster: Cluster
    name: str
    paths: tuple[str, ...]
    columns: tuple[str, ...]
    types: Mapping[str, str]
    constants: Mapping[str, Sequence[str | None]]
    schema: Any
    kinds: Mapping[str, pa.DataType]
    condition: Callable[[Any], Any] | None = field(default=None)

    held = False  # its files may change while they are read

    @property
    def own(self) -> dict[str, int]:
        """The columns that the files hold, with their numbers."""
        return {name: n for n, name in enumerate(self.columns) if name not in self.constants}

    def frame(self, files: Sequence[int], narrowed: bool) -> Any:
        """Give some files as a data frame with the columns ``c<n>`` and ``place``."""
        from pyspark.sql import functions  # noqa: PLC0415 - an extra

        rows = self.cluster.parquet([self.paths[index] for index in files], self.schema)
        chosen = [rows[quoted(name)].alias(f"c{n}") for name, n in self.own.items()]
        frame = rows.select(*chosen, functions.col("_metadata.row_index").alias(PLACE))
        return self.condition(frame) if narrowed and self.condition is not None else frame

    @contextlib.contextmanager
    def narrowed(self, condition: Callable[[Any], Any]) -> Iterator[None]:
        """As long as the block lasts, leave out rows of the table."""
        self.condition = condition
        try:
            yield
        finally:
            self.condition = None

    def pushes(self, columns: Sequence[str]) -> bool:
        """Say whether values of some columns are surely understood alike on both sides."""
        return all(name in self.own and self.types[name] in TEXTS for name in columns)


def kinds(
    cluster: Cluster, schema: Any, columns: Sequence[str], constants: Collection[str]
) -> dict[str, pa.DataType]:
    """Give for each column of a table what arrives of it.

    Raises:
        SourceError: Arrow has no such type.
    """
    found = cluster.arrow(cluster.spark.createDataFrame([], schema)).schema
    return {name: pa.string() if name in constants else found.field(name).type for name in columns}


def quoted(name: str) -> str:
    """Quote a name for Spark."""
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    """Write a text for Spark, where a backslash escapes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def named(sql: str, name: str) -> Any:
    """Give an expression under a name."""
    from pyspark.sql import functions  # noqa: PLC0415 - an extra

    return functions.expr(sql).alias(name)


def by_rule(
    table: Table,
    key: Sequence[str],
    coefficients: Sequence[int],
    below: int,
    whole: tuple[Sequence[str], Sequence[str]],
) -> Callable[[Any], Any]:
    """Give what leaves only rows that may be drawn: their permanent random number is low enough, or their label is among some.

    Args:
        table: The table.
        key: The unit's key.
        coefficients: See `sandbox.engine.rule.prn.coefficients`.
        below: What the number must be under.
        whole: The columns that make a label, and labels.
    """
    names = {name: f"c{table.own[name]}" for name in key}
    kinds = {names[name]: table.types[name] for name in key}
    k, fold, number = pushdown_sql.steps(kinds, [names[name] for name in key], coefficients, DIALECT)
    dates = [names[name] for name in key if table.types[name] == "DATE"]
    odd = "".join(f" or {one} not between date {_text(YEARS[0])} and date {_text(YEARS[1])}" for one in dates)

    columns, labels = whole
    if labels:
        texts = [f"cast(c{table.own[name]} as string)" for name in columns]
        parts = [f"case when {one} is null then '~' else length({one}) || ':' || {one} end" for one in texts]
        odd += f" or ({' || '.join(parts)}) in ({', '.join(map(_text, labels))})"

    def chosen(frame: Any) -> Any:
        keyed = frame.alias(pushdown_sql.ROW).select("*", named(k, pushdown_sql.KEY))
        folded = keyed.alias(pushdown_sql.KEY).select("*", named(fold, pushdown_sql.FOLD))
        return folded.alias(pushdown_sql.FOLD).where(f"({number}) < {below}{odd}")

    return chosen


def with_keys(table: Table, columns: Sequence[str], keys: pa.Table) -> Callable[[Any], Any]:
    """Give what leaves only rows that have one of some keys.

    Args:
        table: The table.
        columns: Its columns; whole numbers are compared as BIGINT, all else as it is.
        keys: As many columns, in that order, of the types in which they are compared.
    """
    from pyspark.sql import functions  # noqa: PLC0415 - an extra

    sent = table.cluster.spark.createDataFrame(keys.rename_columns([f"k{n}" for n in range(len(columns))]))

    def chosen(frame: Any) -> Any:
        same = [
            (
                frame[f"c{table.own[name]}"].cast("bigint")
                if table.types[name] in INTEGERS
                else frame[f"c{table.own[name]}"]
            )
            == sent[f"k{n}"]
            for n, name in enumerate(columns)
        ]
        return frame.join(functions.broadcast(sent), same, "left_semi")

    return chosen


def grouped(table: Table, columns: Sequence[str], key: Sequence[str], *, most: int) -> pa.Table | None:
    """Count the rows of a table by some columns, in the cluster.

    Returns:
        The columns, how many rows of each group have a whole key, and how many there are; None where there are more groups
        than ``most``.
    """
    if any(name not in table.own for name in key):
        return None
    whole = " and ".join(f"c{table.own[name]} is not null" for name in key)
    counts = [named(f"count_if({whole})", "whole"), named("count(1)", "every")]
    frame = table.frame(range(len(table.paths)), narrowed=False)
    groups = frame.groupBy(*(frame[f"c{table.own[name]}"] for name in columns)).agg(*counts)
    found = table.cluster.arrow(groups.limit(most + 1))
    if found.num_rows > most:
        return None
    kinds = [*(table.kinds[name] for name in columns), pa.int64(), pa.int64()]
    schema = pa.schema([(f"c{n}", kind) for n, kind in enumerate(kinds)])
    return pa.table(
        [column.cast(kind) for column, kind in zip(found.columns, kinds, strict=True)], schema=schema
    )
