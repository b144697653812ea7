"""Parquet tables as Spark data frames: all rows, rows that may be drawn, rows with some keys, or counts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sandbox.engine.rule.pushdown_sql import PushdownDialect
    from sandbox.engine.spark.cluster import SparkCluster

ROW_NUMBER_COLUMN = "place"  # the row number in its file; the table's own columns are named by number
SPARK_DIALECT: PushdownDialect = "databricks"  # Spark's SQL
# DuckDB types whose values have the same text in Spark, or are compared directly.
COMPARABLE_TYPES = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
SIGNED_INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
DATE_LIMITS = ("0001-01-01", "9999-12-31")  # outside, Spark and DuckDB write dates differently
MAX_KEY_BYTES = 64 * 2**20  # limit on transferred keys


@dataclass(kw_only=True, eq=False)
class SparkTable:
    """A table.

    Attributes:
        cluster: The cluster that reads it.
        name: As in ``sandbox.toml``.
        paths: Its files.
        columns: Its columns, in order.
        types: Their DuckDB types.
        constants: Partition columns from folder names, with the text for each file; the files do not contain them.
        schema: Spark's schema of the files.
        kinds: By column, the Arrow type received.
        condition: Filter on a data frame with the columns ``c<n>``, if any.
    """

    cluster: SparkCluster
    name: str
    paths: tuple[str, ...]
    columns: tuple[str, ...]
    types: Mapping[str, str]
    constants: Mapping[str, Sequence[str | None]]
    schema: Any
    kinds: Mapping[str, pa.DataType]
    condition: Callable[[Any], Any] | None = field(default=None)

    @property
    def file_columns(self) -> dict[str, int]:
        """The columns in the files, with their numbers."""
        return {name: n for n, name in enumerate(self.columns) if name not in self.constants}

    def build_frame(self, files: Sequence[int], narrowed: bool) -> Any:
        """Return some files as a data frame with the columns ``c<n>`` and ``place``."""
        from pyspark.sql import functions  # noqa: PLC0415 - an extra

        rows = self.cluster.read_parquet([self.paths[index] for index in files], self.schema)
        chosen = [rows[quote_spark_name(name)].alias(f"c{n}") for name, n in self.file_columns.items()]
        frame = rows.select(*chosen, functions.col("_metadata.row_index").alias(ROW_NUMBER_COLUMN))
        return self.condition(frame) if narrowed and self.condition is not None else frame

    @contextlib.contextmanager
    def filter_rows(self, condition: Callable[[Any], Any]) -> Iterator[None]:
        """Filter the table's rows within a block."""
        self.condition = condition
        try:
            yield
        finally:
            self.condition = None

    def can_push_down(self, columns: Sequence[str]) -> bool:
        """Return whether Spark and DuckDB treat values of these columns alike."""
        return all(name in self.file_columns and self.types[name] in COMPARABLE_TYPES for name in columns)


def find_arrow_types(
    cluster: SparkCluster, rows: Any, columns: Sequence[str], constants: Collection[str]
) -> dict[str, pa.DataType]:
    """Return the Arrow type received for each column of a table, given its rows as a data frame.

    Raises:
        SourceError: Arrow has no such type.
    """
    schema_received = cluster.fetch_table(rows.limit(0)).schema  # planned as no rows: no task runs
    return {name: pa.string() if name in constants else schema_received.field(name).type for name in columns}


def quote_spark_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _quote_spark_text(value: str) -> str:
    """Return a Spark SQL literal; a backslash escapes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def alias_expression(sql: str, name: str) -> Any:
    from pyspark.sql import functions  # noqa: PLC0415 - an extra

    return functions.expr(sql).alias(name)


def build_rule_filter(
    table: SparkTable,
    key: Sequence[str],
    coefficients: Sequence[int],
    below: int,
    whole: tuple[Sequence[str], Sequence[str]],
) -> Callable[[Any], Any]:
    """Return a filter for rows that may be drawn: a number below a limit, or a label among ``whole``.

    Args:
        table: The table.
        key: The unit's key.
        coefficients: See `sandbox.engine.rule.prn.compute_coefficients`.
        below: The limit of the permanent random number (exclusive).
        whole: The label columns, and labels.
    """
    from sandbox.engine.rule import pushdown_sql  # noqa: PLC0415 - Ibis takes 0.3 s

    names = {name: f"c{table.file_columns[name]}" for name in key}
    kinds = {names[name]: table.types[name] for name in key}
    k, fold, number = pushdown_sql.build_number_steps(kinds, [names[name] for name in key], coefficients, SPARK_DIALECT)
    dates = [names[name] for name in key if table.types[name] == "DATE"]
    odd = "".join(
        f" or {name} not between date {_quote_spark_text(DATE_LIMITS[0])} and date {_quote_spark_text(DATE_LIMITS[1])}"
        for name in dates
    )

    columns, labels = whole
    if labels:
        texts = [f"cast(c{table.file_columns[name]} as string)" for name in columns]
        parts = [f"case when {text} is null then '~' else length({text}) || ':' || {text} end" for text in texts]
        odd += f" or ({' || '.join(parts)}) in ({', '.join(map(_quote_spark_text, labels))})"

    def filter_by_rule(frame: Any) -> Any:
        keyed = frame.alias(pushdown_sql.ROW_ALIAS).select("*", alias_expression(k, pushdown_sql.KEY_ALIAS))
        folded = keyed.alias(pushdown_sql.KEY_ALIAS).select("*", alias_expression(fold, pushdown_sql.FOLD_ALIAS))
        return folded.alias(pushdown_sql.FOLD_ALIAS).where(f"({number}) < {below}{odd}")

    return filter_by_rule


def build_key_filter(table: SparkTable, columns: Sequence[str], keys: pa.Table) -> Callable[[Any], Any]:
    """Return a filter for rows with one of some keys, which have the columns' order and the compared types.

    Whole numbers are compared as BIGINT, others as they are.
    """
    from pyspark.sql import functions  # noqa: PLC0415 - an extra

    sent = table.cluster.spark.createDataFrame(keys.rename_columns([f"k{n}" for n in range(len(columns))]))

    def filter_by_keys(frame: Any) -> Any:
        same = [
            (
                frame[f"c{table.file_columns[name]}"].cast("bigint")
                if table.types[name] in SIGNED_INTEGER_TYPES
                else frame[f"c{table.file_columns[name]}"]
            )
            == sent[f"k{n}"]
            for n, name in enumerate(columns)
        ]
        return frame.join(functions.broadcast(sent), same, "left_semi")

    return filter_by_keys


def count_groups(table: SparkTable, columns: Sequence[str], key: Sequence[str], *, most: int) -> pa.Table | None:
    """Count the rows of a table by some columns, in the cluster.

    Returns:
        The columns, the number of rows with a complete key and the number of all rows of each group; None if there are
        more groups than ``most``.
    """
    if any(name not in table.file_columns for name in key):
        return None
    whole = " and ".join(f"c{table.file_columns[name]} is not null" for name in key)
    counts = [alias_expression(f"count_if({whole})", "whole"), alias_expression("count(1)", "every")]
    frame = table.build_frame(range(len(table.paths)), narrowed=False)
    groups = frame.groupBy(*(frame[f"c{table.file_columns[name]}"] for name in columns)).agg(*counts)
    counted = table.cluster.fetch_table(groups.limit(most + 1))
    if counted.num_rows > most:
        return None
    kinds = [*(table.kinds[name] for name in columns), pa.int64(), pa.int64()]
    schema = pa.schema([(f"c{n}", kind) for n, kind in enumerate(kinds)])
    return pa.table([column.cast(kind) for column, kind in zip(counted.columns, kinds, strict=True)], schema=schema)
