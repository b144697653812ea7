"""Rows that both sides have, set aside without a join: by sums of hashes that cancel.

Every row adds the hash of all of it to one of many sums, which the hash of its key chooses; the candidate's rows are
subtracted. Rows of one key share a sum, so where a sum is 0 both sides have the same rows of all of its keys, as a
multiset. That they do not, and it is 0 all the same, has a probability of 2⁻⁶⁴, like a changed row that keeps its hash.
Only rows of the other sums, and those that are looked at although they do not differ, are read whole and compared. No
row is held, and their order does not matter.

Of keys that both sides repeat alike this says nothing. So the keys of one side have to be unique, and none may be null:
whole numbers that rise from row to row are unique, else the hashes of the keys are sorted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.compare.kinds import INTEGERS
from sandbox.compare.rows import SIDES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.compare.columns import Shape, SideName
    from sandbox.compare.rows import Plan
    from sandbox.engine.duck import Session

MOST = 0.2  # where more of the sums are not 0, to read their rows would be to read the tables
_PART = (
    64  # the sums take an eighth of the memory at most, at eight bytes each; what is held of keys a quarter
)
_HELD = 24  # bytes of a key, and of where it belongs, on both sides
_BATCH = 1 << 17

Array = np.ndarray[Any, np.dtype[Any]]


def lessened(
    session: Session, plan: Plan, shapes: dict[SideName, Shape], *, memory: int, doing: str
) -> tuple[Plan, dict[SideName, Shape]] | None:
    """Put the rows that may differ, and those that are looked at anyway, into ``left_<side>``.

    Args:
        session: Holds ``all_<side>``.
        plan: Of all rows.
        shapes: What the sides are like.
        memory: Bytes that this process may take.
        doing: What a failure is the failure of.

    Returns:
        The plan that compares these rows alone, and what is left of the sides; None where keys repeat or are null, or
        where it would be of no use.
    """
    rows = max(shape.rows for shape in shapes.values())
    bits = min(rows.bit_length(), (memory // _PART).bit_length() - 1)
    if rows > 2 << bits:
        return None
    sums = np.zeros(1 << bits, np.uint64)
    numbers = _is_number(plan) and _HELD * rows <= memory // 4
    sides = [_Side(session=session, plan=plan, name=name, bits=bits, numbers=numbers) for name in SIDES]
    if not all(side.read(sums, doing) for side in sides) or not (plan.key == () or sides[0].unique()):
        return None
    differs = sums != 0
    if differs.mean() > MOST:
        return None
    session.lend("sums", {"place": np.flatnonzero(differs)})
    for side in sides:
        side.take(differs, doing)
    [counts] = session.rows("select " + ", ".join(f"(select count(*) from left_{name})" for name in SIDES))
    left = {name: replace(shapes[name], rows=count) for name, count in zip(SIDES, counts, strict=True)}
    return replace(plan, among="left"), left


def _is_number(plan: Plan) -> bool:
    return [column.common in INTEGERS - {"UBIGINT"} for column in plan.key] == [True]


@dataclass(kw_only=True, eq=False)
class _Side:
    """One side while it is summed up.

    Attributes:
        session, plan, name: What is read.
        bits: The sum of a row is chosen by so many bits of its key's hash.
        numbers: The key is a whole number, and there is memory to hold it; else the baseline's hashes are held.
        keys: What is held of the keys, in the table's order.
        places: The sums that the numbers belong to.
        looked: The numbers that are looked at anyway.
    """

    session: Session
    plan: Plan
    name: SideName
    bits: int
    numbers: bool
    keys: list[Array] = field(default_factory=list)
    places: list[Array] = field(default_factory=list)
    looked: list[Array] = field(default_factory=list)

    def read(self, sums: Array, doing: str) -> bool:
        """Add all rows to the sums, or subtract the candidate's; False where a key is null.

        A row's hash is hashed once more: the engine's hash of several values ends with an xor, and sums of such numbers
        are alike too often.
        """
        null = " or ".join(f"{key} is null" for key in self.plan.keys) or "false"
        number = f", {self.plan.keys[0]}::BIGINT" if self.numbers else ""
        into = np.add if self.name == "baseline" else np.subtract
        query = f"select case when not ({null}) then {self._hash} end, hash({self.plan.hashed}){number} from all_{self.name}"
        # In the table's order, or numbers would not rise that do.
        self.session.execute("set preserve_insertion_order = true")
        try:
            for batch in self.session.batches(query, size=_BATCH, doing=doing):
                if batch.column(0).null_count:
                    return False
                hashes, rows, *numbers = [np.asarray(np.from_dlpack(column)) for column in batch.columns]
                place = hashes >> np.uint64(64 - self.bits)
                into.at(sums, place.view(np.int64), rows)
                self._hold(hashes, place, numbers)
        finally:
            self.session.execute("set preserve_insertion_order = false")
        return True

    def _hold(self, hashes: Array, place: Array, numbers: Sequence[Array]) -> None:
        if numbers:
            self.places.append(place.astype(np.uint32))
            self.keys.append(numbers[0].copy())  # a view would hold the whole batch
            if self.plan.one_in is not None:
                self.looked.append(numbers[0][hashes & np.uint64(self.plan.one_in - 1) == 0])
        elif self.plan.key and self.name == "baseline":
            self.keys.append(hashes.copy())

    def unique(self) -> bool:
        """Say whether no key is there twice."""
        keys = np.concatenate([self._none, *self.keys])
        if not np.all(keys[1:] > keys[:-1]):
            keys.sort()
        return not np.any(keys[1:] == keys[:-1])

    def take(self, differs: Array, doing: str) -> None:
        """Make ``left_<side>`` of the rows whose sums differ, and of those that are looked at anyway."""
        kept = ", ".join(f"t.{raw}" for raw in self.plan.kept(self.name))
        left = f"{self._hash} >> {64 - self.bits} in (select place from sums) or {self.plan.sampled}"
        source = f"all_{self.name} t"
        if self.plan.key:
            # Keys alone first: only a join by plain equality tells the scan which rows not to decode.
            chosen = f"select distinct {', '.join(self.plan.keys)} from all_{self.name} where {left}"
            if self.numbers:
                chosen = self._numbers(differs)
            self.session.execute(f"create or replace temp table chosen as {chosen}", doing=doing)
            source += " join chosen k on " + " and ".join(f"t.{key} = k.{key}" for key in self.plan.keys)
            left = "true"
        self.session.execute(
            f"create or replace temp table some_{self.name} as select {kept} from {source} where {left}",
            doing=doing,
        )
        self.session.execute(self.plan.view(self.name, f"some_{self.name}", "left"), doing=doing)

    def _numbers(self, differs: Array) -> str:
        """Give the keys that are left without reading them again."""
        found = [keys[differs[places]] for keys, places in zip(self.keys, self.places, strict=True)]
        self.session.lend("numbers", {"number": np.concatenate([self._none, *found, *self.looked])})
        [key] = self.plan.key
        return f"select distinct number::{key.common} as {self.plan.keys[0]} from numbers"

    @property
    def _none(self) -> Array:
        return np.zeros(0, np.int64 if self.numbers else np.uint64)

    @property
    def _hash(self) -> str:
        """The SQL of the hash that chooses a row's sum."""
        return f"hash({', '.join(self.plan.keys)})" if self.plan.key else self.plan.hashed
