"""A table of Parquet files as data frames of Spark: all of it, what the rule may draw, what has some keys, or counts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sandbox.engine.rule import pushdown_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sandbox.engine.spark.cluster import SparkCluster

ROW_NUMBER_COLUMN = "place"  # of a row in its file; the table's own columns are called by their numbers
SPARK_DIALECT: pushdown_sql.PushdownDialect = "databricks"  # which is Spark's
# The session's types whose values have one text on both sides, or are compared as they are.
COMPARABLE_TYPES = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
SIGNED_INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
DATE_LIMITS = ("0001-01-01", "9999-12-31")  # beyond which the sides write dates differently
MAX_KEY_BYTES = 64 * 2**20  # of keys that are sent


@dataclass(kw_only=True, eq=False)
class SparkTable:
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

    cluster: SparkCluster
    name: str
    paths: tuple[str, ...]
    columns: tuple[str, ...]
    types: Mapping[str, str]
    constants: Mapping[str, Sequence[str | None]]
    schema: Any
    kinds: Mapping[str, pa.DataType]
    condition: Callable[[Any], Any] | None = field(default=None)

    is_consistent = False  # its files may change while they are read

    @property
    def file_columns(self) -> dict[str, int]:
        """The columns that the files hold, with their numbers."""
        return {name: n for n, name in enumerate(self.columns) if name not in self.constants}

    def build_frame(self, files: Sequence[int], narrowed: bool) -> Any:
        """Give some files as a data frame with the columns ``c<n>`` and ``place``."""
        from pyspark.sql import functions  # noqa: PLC0415 - an extra

        rows = self.cluster.read_parquet([self.paths[index] for index in files], self.schema)
        chosen = [rows[quote_spark_name(name)].alias(f"c{n}") for name, n in self.file_columns.items()]
        frame = rows.select(*chosen, functions.col("_metadata.row_index").alias(ROW_NUMBER_COLUMN))
        return self.condition(frame) if narrowed and self.condition is not None else frame

    @contextlib.contextmanager
    def filter_rows(self, condition: Callable[[Any], Any]) -> Iterator[None]:
        """As long as the block lasts, leave out rows of the table."""
        self.condition = condition
        try:
            yield
        finally:
            self.condition = None

    def can_push_down(self, columns: Sequence[str]) -> bool:
        """Say whether values of some columns are surely understood alike on both sides."""
        return all(name in self.file_columns and self.types[name] in COMPARABLE_TYPES for name in columns)


def find_arrow_types(
    cluster: SparkCluster, schema: Any, columns: Sequence[str], constants: Collection[str]
) -> dict[str, pa.DataType]:
    """Give for each column of a table what arrives of it.

    Raises:
        SourceError: Arrow has no such type.
    """
    found = cluster.fetch_table(cluster.spark.createDataFrame([], schema)).schema
    return {name: pa.string() if name in constants else found.field(name).type for name in columns}


def quote_spark_name(name: str) -> str:
    """Quote a name for Spark."""
    return "`" + name.replace("`", "``") + "`"


def _quote_spark_text(value: str) -> str:
    """Write a text for Spark, where a backslash escapes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def alias_expression(sql: str, name: str) -> Any:
    """Give an expression under a name."""
    from pyspark.sql import functions  # noqa: PLC0415 - an extra

    return functions.expr(sql).alias(name)


def build_rule_filter(
    table: SparkTable,
    key: Sequence[str],
    coefficients: Sequence[int],
    below: int,
    whole: tuple[Sequence[str], Sequence[str]],
) -> Callable[[Any], Any]:
    """Give what leaves only rows that may be drawn: their permanent random number is low enough, or their label is among some.

    Args:
        table: The table.
        key: The unit's key.
        coefficients: See `sandbox.engine.rule.prn.compute_coefficients`.
        below: What the number must be under.
        whole: The columns that make a label, and labels.
    """
    names = {name: f"c{table.file_columns[name]}" for name in key}
    kinds = {names[name]: table.types[name] for name in key}
    k, fold, number = pushdown_sql.build_number_steps(kinds, [names[name] for name in key], coefficients, SPARK_DIALECT)
    dates = [names[name] for name in key if table.types[name] == "DATE"]
    odd = "".join(
        f" or {one} not between date {_quote_spark_text(DATE_LIMITS[0])} and date {_quote_spark_text(DATE_LIMITS[1])}"
        for one in dates
    )

    columns, labels = whole
    if labels:
        texts = [f"cast(c{table.file_columns[name]} as string)" for name in columns]
        parts = [f"case when {one} is null then '~' else length({one}) || ':' || {one} end" for one in texts]
        odd += f" or ({' || '.join(parts)}) in ({', '.join(map(_quote_spark_text, labels))})"

    def filter_by_rule(frame: Any) -> Any:
        keyed = frame.alias(pushdown_sql.ROW_ALIAS).select("*", alias_expression(k, pushdown_sql.KEY_ALIAS))
        folded = keyed.alias(pushdown_sql.KEY_ALIAS).select("*", alias_expression(fold, pushdown_sql.FOLD_ALIAS))
        return folded.alias(pushdown_sql.FOLD_ALIAS).where(f"({number}) < {below}{odd}")

    return filter_by_rule


def build_key_filter(table: SparkTable, columns: Sequence[str], keys: pa.Table) -> Callable[[Any], Any]:
    """Give what leaves only rows that have one of some keys.

    Args:
        table: The table.
        columns: Its columns; whole numbers are compared as BIGINT, all else as it is.
        keys: As many columns, in that order, of the types in which they are compared.
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
        The columns, how many rows of each group have a whole key, and how many there are; None where there are more groups
        than ``most``.
    """
    if any(name not in table.file_columns for name in key):
        return None
    whole = " and ".join(f"c{table.file_columns[name]} is not null" for name in key)
    counts = [alias_expression(f"count_if({whole})", "whole"), alias_expression("count(1)", "every")]
    frame = table.build_frame(range(len(table.paths)), narrowed=False)
    groups = frame.groupBy(*(frame[f"c{table.file_columns[name]}"] for name in columns)).agg(*counts)
    found = table.cluster.fetch_table(groups.limit(most + 1))
    if found.num_rows > most:
        return None
    kinds = [*(table.kinds[name] for name in columns), pa.int64(), pa.int64()]
    schema = pa.schema([(f"c{n}", kind) for n, kind in enumerate(kinds)])
    return pa.table([column.cast(kind) for column, kind in zip(found.columns, kinds, strict=True)], schema=schema)
