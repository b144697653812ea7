"""Make tables of fresh values: for each value of a key and each copy, the value that stands there instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.errors import DataRuleError
from sandbox.sampler.half_sample.fresh_values import IntegerLimits, make_fresh_integers, make_fresh_texts
from sandbox.sampler.half_sample.value_coding import list_codings

if TYPE_CHECKING:
    from typing import Any

    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.half_sample.fresh_columns import Column
    from sandbox.sampler.half_sample.value_coding import ValueCoding

_BATCH_ROWS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ColumnValues:
    """The values of a fresh column, as queries of one column.

    Attributes:
        column: The table and the column.
        engine_type: DuckDB's name of its type.
        known: Its values in the sample.
        used: Its values in the half-sample, and those of the columns that refer to it.
        originals: Its values in copied rows, and the number of copies.
    """

    column: Column
    engine_type: str
    known: str
    used: str
    originals: str


def format_fresh_table(column: Column) -> str:
    """Return the quoted name of a column's table of fresh values: ``old``, ``copy``, ``new``."""
    return quote_identifier(f"fresh values of {'.'.join(column)}")


def create_fresh_table(session: Session, values: ColumnValues) -> None:
    """Create the table of a column's fresh values.

    Raises:
        DataRuleError: There are too few unused values.
    """
    doing = f"making fresh values of {'.'.join(values.column)}"
    coding = _choose_coding(session, values, doing)
    name = format_fresh_table(values.column)
    rows = _make_rows(session, values, coding, doing)
    session.register_table("fresh values", rows)
    session.execute(
        f"create or replace temp table {name} as select {coding.value.format('old')} as old, copy, "
        f'{coding.value.format("new")} as new from "fresh values"',
        doing=doing,
    )
    session.connection.unregister("fresh values")
    [(repeated, taken)] = session.fetch_rows(
        f"select count(*) - count(distinct new), count(*) filter (new in ({values.used})) from {name}", doing=doing
    )
    if repeated or taken:
        raise DataRuleError(f"{doing}: {repeated + taken:,} of {rows.num_rows:,} repeat another")


def _choose_coding(session: Session, values: ColumnValues, doing: str) -> ValueCoding:
    """Return the first coding that all of the column's values have.

    Raises:
        DataRuleError: There is none.
    """
    every = f"select * from ({values.known}) union all select * from ({values.used})"
    for coding in list_codings(values.engine_type):
        code = coding.code.format("v")
        [(without,)] = session.fetch_rows(
            f"select count(*) from ({every}) t(v) where v is not null and {code} is null", doing=doing
        )
        if not without:
            return coding
    raise DataRuleError(f"{doing}: {values.engine_type} has no others that are alike")


def _make_rows(session: Session, values: ColumnValues, coding: ValueCoding, doing: str) -> pa.Table:
    code = coding.code.format("v")
    known, used = (
        _read_column(session, f"select distinct {code} from ({query}) t(v) where v is not null", doing)
        for query in (values.known, values.used)
    )
    counted = f"select {code}, n from ({values.originals}) t(v, n) order by 1"
    batches = list(session.fetch_batches(counted, size=_BATCH_ROWS, doing=doing))
    old = (
        np.concatenate([batch.column(0).to_numpy(zero_copy_only=False) for batch in batches]) if batches else known[:0]
    )
    counts = (
        np.concatenate([batch.column(1).to_numpy() for batch in batches]).astype(np.int64)
        if batches
        else np.zeros(0, np.int64)
    )
    repeated = np.repeat(old, counts)
    copies = np.arange(len(repeated)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    if coding.limits is None:
        new: Any = make_fresh_texts(known.tolist(), used.tolist(), repeated.tolist())
    else:
        new = _make_integers(known, used, len(repeated), coding, doing)
    return pa.table({"old": pa.array(repeated), "copy": copies, "new": pa.array(new)})


def _make_integers(known: Any, used: Any, count: int, coding: ValueCoding, doing: str) -> Any:
    assert coding.limits is not None
    unit = next((unit for unit in coding.units if not (known % unit).any()), 1)
    limits = IntegerLimits(low=-(-coding.limits.low // unit), high=coding.limits.high // unit)
    try:
        return make_fresh_integers(known // unit, used[used % unit == 0] // unit, count, limits) * unit
    except DataRuleError as error:
        raise DataRuleError(f"{doing}: {error.message}") from error


def _read_column(session: Session, query: str, doing: str) -> Any:
    batches = session.fetch_batches(query, size=_BATCH_ROWS, doing=doing)
    parts = [batch.column(0).to_numpy(zero_copy_only=False) for batch in batches]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
