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

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.compare.rows.row_matching import SIDES
from sandbox.compare.sql_types import INTEGERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.compare.columns import Shape, SideName
    from sandbox.compare.rows.row_matching import Plan
    from sandbox.engine.duckdb.session import Session

MOST = 0.2  # where more of the sums are not 0, to read their rows would be to read the tables
_PART = (
    64  # the sums take an eighth of the memory at most, at eight bytes each; what is held of keys a quarter
)
_HELD = 16  # bytes of a key on both sides
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
    keys = _Numbers if _is_number(plan) and _HELD * rows <= memory // 4 else _Hashes
    sides = [_Side(session=session, plan=plan, name=name, keys=keys(plan, bits, name)) for name in SIDES]
    if not all(side.read(sums, doing) for side in sides) or not (plan.key == () or sides[0].keys.unique()):
        return None
    differs = sums != 0
    if differs.mean() > MOST:
        return None
    for side in sides:
        side.take(differs, doing)
    [counts] = session.rows("select " + ", ".join(f"(select count(*) from left_{name})" for name in SIDES))
    left = {name: replace(shapes[name], rows=count) for name, count in zip(SIDES, counts, strict=True)}
    return replace(plan, among="left"), left


def _is_number(plan: Plan) -> bool:
    return [column.common in INTEGERS - {"UBIGINT"} for column in plan.key] == [True]


class _Numbers:
    """Keys that are whole numbers, held on both sides.

    A sum is chosen by the remainder of a division, so that rows in the order of their keys add to one sum after the other,
    which is several times faster than to sums anywhere.
    """

    def __init__(self, plan: Plan, bits: int, _side: SideName) -> None:
        [self._key] = plan.keys
        self._type = plan.key[0].common
        self._sums = np.uint64(_prime(1 << bits))
        self._held: list[Array] = []
        self._looked: list[Array] = []
        looked = "" if plan.one_in is None else f", ({plan.sampled})::UTINYINT"
        self.sql = f"{self._key}::BIGINT{looked}"

    def places(self, numbers: Array, looked: Array | None = None) -> Array:
        """Hold the next keys, and give their sums."""
        self._held.append(numbers.copy())  # a view would hold the whole batch
        if looked is not None:
            self._looked.append(numbers[looked != 0])
        return self._places(numbers)

    def unique(self) -> bool:
        """Say whether no key is there twice."""
        return _unique(self._held)

    def chosen(self, session: Session, differs: Array, _source: str) -> str:
        """Give the SQL of the keys that are left, without reading them again."""
        found = [held[differs[self._places(held)]] for held in self._held]
        session.lend("numbers", {"number": np.concatenate([np.zeros(0, np.int64), *found, *self._looked])})
        return f"select distinct number::{self._type} as {self._key} from numbers"

    def _places(self, numbers: Array) -> Array:
        return (numbers.view(np.uint64) % self._sums).view(np.int64)


class _Hashes:
    """Keys of any other kind, or none: the baseline's hashes are held, and a sum is chosen by a hash's first bits."""

    def __init__(self, plan: Plan, bits: int, side: SideName) -> None:
        self._plan = plan
        self._shift = 64 - bits
        self._hold = bool(plan.key) and side == "baseline"
        self._held: list[Array] = []
        self._hash = f"hash({', '.join(plan.keys)})" if plan.key else plan.hashed
        null = " or ".join(f"{key} is null" for key in plan.keys)
        self.sql = f"case when not ({null}) then {self._hash} end" if null else self._hash

    def places(self, hashes: Array) -> Array:
        """Hold the next hashes where they are needed, and give their sums."""
        if self._hold:
            self._held.append(hashes.copy())
        return (hashes >> np.uint64(self._shift)).view(np.int64)

    def unique(self) -> bool:
        """Say whether no hash is there twice."""
        return _unique(self._held)

    def chosen(self, session: Session, differs: Array, source: str) -> str:
        """Give the SQL of the keys that are left; of the condition on rows, where there is no key."""
        session.lend("sums", {"place": np.flatnonzero(differs)})
        left = f"{self._hash} >> {self._shift} in (select place from sums) or {self._plan.sampled}"
        return (
            f"select distinct {', '.join(self._plan.keys)} from {source} where {left}"
            if self._plan.key
            else left
        )


def _unique(held: Sequence[Array]) -> bool:
    """Say whether no value is there twice: those that rise all the way are looked at where they lie."""
    parts = [part for part in held if len(part)]
    follow = all(before[-1] < after[0] for before, after in itertools.pairwise(parts))
    if follow and all(np.all(part[1:] > part[:-1]) for part in parts):
        return True
    values = np.concatenate(parts)
    values.sort()
    return not np.any(values[1:] == values[:-1])


def _prime(below: int) -> int:
    """Give a prime near a power of two: multiples of anything else spread over all remainders.

    >>> _prime(1 << 20)
    1048573
    """
    return next(n for n in range(below - 1, 1, -1) if all(n % d for d in range(2, math.isqrt(n) + 1)))


@dataclass(kw_only=True, eq=False)
class _Side:
    """One side while it is summed up.

    Attributes:
        session, plan, name: What is read.
        keys: What is held of its keys, and how they choose a sum.
    """

    session: Session
    plan: Plan
    name: SideName
    keys: _Numbers | _Hashes

    def read(self, sums: Array, doing: str) -> bool:
        """Add all rows to the sums, or subtract the candidate's; False where a key is null.

        A row's hash is hashed once more: the engine's hash of several values ends with an xor, and sums of such numbers
        are alike too often.
        """
        into = np.add if self.name == "baseline" else np.subtract
        query = f"select hash({self.plan.hashed}), {self.keys.sql} from all_{self.name}"
        # In the table's order, or numbers would not rise that do.
        self.session.execute("set preserve_insertion_order = true")
        try:
            for batch in self.session.batches(query, size=_BATCH, doing=doing):
                if batch.column(1).null_count:
                    return False
                rows, *keys = [np.asarray(np.from_dlpack(column)) for column in batch.columns]
                into.at(sums, self.keys.places(*keys), rows)
        finally:
            self.session.execute("set preserve_insertion_order = false")
        return True

    def take(self, differs: Array, doing: str) -> None:
        """Make ``left_<side>`` of the rows whose sums differ, and of those that are looked at anyway."""
        kept = ", ".join(f"t.{raw}" for raw in self.plan.kept(self.name))
        source = f"all_{self.name}"
        chosen = self.keys.chosen(self.session, differs, source)
        if self.plan.key:
            # Keys alone first: only a join by plain equality tells the scan which rows not to decode.
            self.session.execute(f"create or replace temp table chosen as {chosen}", doing=doing)
            on = " and ".join(f"t.{key} = k.{key}" for key in self.plan.keys)
            rows = f"{source} t join chosen k on {on}"
        else:
            rows = f"{source} t where {chosen}"
        self.session.execute(
            f"create or replace temp table some_{self.name} as select {kept} from {rows}", doing=doing
        )
        self.session.execute(self.plan.view(self.name, f"some_{self.name}", "left"), doing=doing)
