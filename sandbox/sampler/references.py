"""References: which rows they need, which of them name nothing, and which child rows belong to no unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duck import quote
from sandbox.engine.rule import fresh
from sandbox.manifest.sample import Dangling
from sandbox.sampler.keys import whole
from sandbox.sampler.lean import EXACT_UP_TO
from sandbox.sampler.names import matching, typed_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.config.settings import Reference
    from sandbox.engine.duck import Session
    from sandbox.sampler.plan import Step
    from sandbox.sampler.table import SourceTable

EXAMPLES = 5
DANGLING = "dangling"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A reference between two tables of the source; ``number`` tells it from the others of its table."""

    table: str
    number: int
    reference: Reference
    on: str

    @property
    def target(self) -> str:
        """The table that it names."""
        return self.reference.table


def links(steps: tuple[Step, ...], tables: Mapping[str, SourceTable]) -> list[Link]:
    """Give every declared reference; ``on`` is the SQL condition between a row ``r`` and its target ``t``."""
    return [
        Link(
            table=step.table,
            number=number,
            reference=reference,
            on=matching(typed_pairs(tables, step.table, reference), "r", "t"),
        )
        for step in steps
        for number, reference in enumerate(step.references)
    ]


def needed_columns(steps: tuple[Step, ...]) -> dict[str, list[str]]:
    """Give for each table the columns that references start from or lead to."""
    columns: dict[str, dict[str, None]] = {step.table: {} for step in steps}
    for step in steps:
        for reference in step.references:
            columns[step.table].update(dict.fromkeys(reference.columns))
            columns[reference.table].update(dict.fromkeys(reference.key))
    return {table: list(names) for table, names in columns.items()}


def described(
    session: Session, link: Link, relations: Mapping[str, str], *, checked: str, holds: bool
) -> Dangling:
    """Count a reference's rows that name nothing or have a NULL part.

    Args:
        session: The engine.
        link: The reference.
        relations: For each table SQL that can stand after ``from``: the source, or the sample.
        checked: What they are: ``source`` or ``sample``.
        holds: Whether the reference holds in the sample wherever it holds in the source.
    """
    columns = link.reference.columns
    rows, targets = relations[link.table], relations[link.target]
    names = ", ".join(f"r.{quote(column)}" for column in columns)
    number = quote(fresh("rows", columns))
    doing = f"checking {link.table} → {link.target}"
    session.execute(
        f"create or replace temp table {DANGLING} as select {names}, count(*) as {number} from {rows} r "
        f"anti join {targets} t on {link.on} where {whole(columns, 'r')} group by {names}",
        doing=doing,
    )
    count = session.rows(f"select coalesce(sum({number}), 0)::bigint from {DANGLING}")[0][0]
    texts = ", ".join(f"{quote(column)}::varchar" for column in columns)
    examples = session.rows(f"select {texts} from {DANGLING} order by all limit {EXAMPLES}")
    nulls = session.rows(f"select count(*) from {rows} where not ({whole(columns)})", doing=doing)[0][0]
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


def outside_frame(
    session: Session, step: Step, steps: Mapping[str, Step], tables: Mapping[str, SourceTable],
    leans: Mapping[str, str], key: tuple[str, ...],
) -> int | None:  # fmt: skip
    """Count a child's source rows that belong to no unit; None where that would take too long to count."""
    chain = _chain(step, steps)
    if any(tables[one.table].rows > EXACT_UP_TO for one in chain):
        return None
    inside = f"select * from {leans[chain[-1].table]} where {whole(key)}"
    for child in reversed(chain[:-1]):
        assert child.through is not None
        on = matching(typed_pairs(tables, child.table, child.through), "r", "t")
        inside = f"select r.* from {leans[child.table]} r semi join ({inside}) t on {on}"
    counted = session.rows(
        f"select count(*) from ({inside})", doing=f"counting {step.table} outside the frame"
    )
    return tables[step.table].rows - int(counted[0][0])


def _chain(step: Step, steps: Mapping[str, Step]) -> list[Step]:
    """Give a child, its parent and so on up to the unit."""
    chain = [step]
    while (through := chain[-1].through) is not None:
        chain.append(steps[through.table])
    return chain
