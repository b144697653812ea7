"""References: between which tables they are, and which of them name nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import quote
from sandbox.engine.sql.ibis_types import fresh
from sandbox.manifest.sample import Dangling
from sandbox.sources.checks.key_check import whole
from sandbox.sources.checks.schema_check import applies, matching, typed_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.config.settings import Reference
    from sandbox.engine.duckdb.session import Session
    from sandbox.sampler.plan.plan import Step
    from sandbox.sources.table import SourceTable

EXAMPLES = 5
DANGLING = "dangling"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A reference between two tables of the source.

    Attributes:
        table: The table that holds it.
        number: Tells it from the others of its table.
        reference: What it says.
        on: The SQL condition between a row ``r`` and its target ``t``.
        refers: The SQL condition that a row ``r`` names one at all: no part is NULL, and the reference is for such rows.
    """

    table: str
    number: int
    reference: Reference
    on: str
    refers: str

    @property
    def target(self) -> str:
        """The table that it names."""
        return self.reference.table


def links(steps: tuple[Step, ...], tables: Mapping[str, SourceTable]) -> list[Link]:
    """Give every declared reference."""
    return [
        Link(
            table=step.table,
            number=number,
            reference=reference,
            on=matching(typed_pairs(tables, step.table, reference), "r", "t"),
            refers=f"{whole(reference.columns, 'r')} and {applies(reference, 'r')}",
        )
        for step in steps
        for number, reference in enumerate(step.references)
    ]


def described(
    session: Session,
    link: Link,
    relations: Mapping[str, str],
    masked: Sequence[str],
    *,
    checked: str,
    holds: bool,
) -> Dangling:
    """Count a reference's rows that name nothing or have a NULL part.

    Args:
        session: The engine.
        link: The reference.
        relations: For each table SQL that can stand after ``from``: the source, or the sample.
        masked: The SQL of each of its columns as the sample has it, for examples.
        checked: What the relations are: ``source`` or ``sample``.
        holds: Whether the reference holds in the sample wherever it holds in the source.
    """
    columns = link.reference.columns
    rows, targets = relations[link.table], relations[link.target]
    names = ", ".join(f"r.{quote(column)}" for column in columns)
    number = quote(fresh("rows", columns))
    doing = f"checking {link.table} → {link.target}"
    session.execute(
        f"create or replace temp table {DANGLING} as select {names}, count(*) as {number} from {rows} r "
        f"anti join {targets} t on {link.on} where {link.refers} group by {names}",
        doing=doing,
    )
    count = session.rows(f"select coalesce(sum({number}), 0)::bigint from {DANGLING}")[0][0]
    texts = ", ".join(f"({column})::varchar" for column in masked)
    some = f"select * from {DANGLING} order by all limit {EXAMPLES}"
    examples = session.rows(f"select {texts} from ({some})", doing=doing)
    empty = f"not ({whole(columns, 'r')}) and {applies(link.reference, 'r')}"
    nulls = session.rows(f"select count(*) from {rows} r where {empty}", doing=doing)[0][0]
    session.execute(f"drop table {DANGLING}")
    return Dangling(
        columns=list(columns),
        table=link.target,
        key=list(link.reference.key),
        dangling=count,
        nulls=nulls,
        examples=[list(row) for row in examples],
        checked=checked,
        holds_in_sample=holds,
    )
