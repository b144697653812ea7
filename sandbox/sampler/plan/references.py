"""List references between tables and count dangling ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote_identifier
from sandbox.engine.sql.ibis_types import choose_unused_name
from sandbox.manifest.sample import ReferenceSummary
from sandbox.sources.checks.key_check import build_not_null_condition
from sandbox.sources.checks.schema_check import (
    build_join_condition,
    build_when_condition,
    pair_reference_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.sections.sample import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import TableStep
    from sandbox.sources.table import SourceTable

MAX_EXAMPLES = 5
DANGLING_TABLE = "dangling"


@dataclass(frozen=True, kw_only=True)
class ReferenceLink:
    """A reference between two tables of the source.

    Attributes:
        table: The referring table.
        number: Its index among the references of the table.
        reference: The declaration.
        join_condition: The SQL condition between a row ``r`` and its target ``t``.
        row_condition: The SQL condition for a row ``r`` with a target: no NULL in the columns, and ``when`` holds.
    """

    table: str
    number: int
    reference: Reference
    join_condition: str
    row_condition: str

    @property
    def target(self) -> str:
        """The referenced table."""
        return self.reference.table


def list_links(steps: tuple[TableStep, ...], tables: Mapping[str, SourceTable]) -> list[ReferenceLink]:
    """Return every declared reference."""
    return [
        ReferenceLink(
            table=step.table,
            number=number,
            reference=reference,
            join_condition=build_join_condition(pair_reference_columns(tables, step.table, reference), "r", "t"),
            row_condition=f"{build_not_null_condition(reference.columns, 'r')} and {build_when_condition(reference, 'r')}",
        )
        for step in steps
        for number, reference in enumerate(step.references)
    ]


def count_dangling_rows(
    session: Session,
    link: ReferenceLink,
    relations: Mapping[str, str],
    masked: Sequence[str],
    *,
    checked: str,
    holds: bool,
) -> ReferenceSummary:
    """Count a reference's rows without a target or with NULL in the columns.

    Args:
        session: The query engine.
        link: The reference.
        relations: Table -> SQL for the FROM clause: the source's, or the sample's.
        masked: SQL of each of its columns masked as in the sample, for examples.
        checked: Kind of the relations: ``source`` or ``sample``.
        holds: Whether the reference holds in the sample wherever it holds in the source.
    """
    columns = link.reference.columns
    rows, targets = relations[link.table], relations[link.target]
    names = ", ".join(f"r.{quote_identifier(column)}" for column in columns)
    number = quote_identifier(choose_unused_name("rows", columns))
    doing = f"checking {link.table} → {link.target}"
    session.execute(
        f"create or replace temp table {DANGLING_TABLE} as select {names}, count(*) as {number} from {rows} r "
        f"anti join {targets} t on {link.join_condition} where {link.row_condition} group by {names}",
        doing=doing,
    )
    count = session.fetch_rows(f"select coalesce(sum({number}), 0)::bigint from {DANGLING_TABLE}")[0][0]
    texts = ", ".join(f"({column})::varchar" for column in masked)
    some = f"select * from {DANGLING_TABLE} order by all limit {MAX_EXAMPLES}"
    examples = session.fetch_rows(f"select {texts} from ({some})", doing=doing)
    empty = f"not ({build_not_null_condition(columns, 'r')}) and {build_when_condition(link.reference, 'r')}"
    nulls = session.fetch_rows(f"select count(*) from {rows} r where {empty}", doing=doing)[0][0]
    session.execute(f"drop table {DANGLING_TABLE}")
    return ReferenceSummary(
        columns=list(columns),
        table=link.target,
        key=list(link.reference.key),
        dangling=count,
        nulls=nulls,
        examples=[list(row) for row in examples],
        checked=checked,
        holds_in_sample=holds,
    )
