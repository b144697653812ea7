"""Rows that both sides have, set aside without a join: by sums of hashes that cancel.

Every row adds a keyed hash of all its values to one of many sums, which the hash of its key chooses; the candidate's rows
are subtracted. Rows of one key share a sum, so where a sum is 0 both sides have the same rows of all of its keys, as a
multiset. Otherwise a sum is 0 with a probability of about 2⁻⁶⁴, whatever the rows are: the key of the hash is drawn anew.
Only rows of the other sums, and those that are looked at although they do not differ, are read whole and compared. No
row is held, and their order does not matter.

Of keys that both sides repeat alike this says nothing. So the keys of one side have to be unique, and none may be null:
whole numbers that rise from row to row are unique, else the hashes of the keys are sorted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.compare.relations import SIDES, RawRows, Relation, ValueRows, create_table, create_view
from sandbox.compare.rows.key_uniqueness import KEY_BYTES, has_integer_key, sort_unique_values
from sandbox.compare.rows.keyed_hash import RowHasher
from sandbox.compare.rows.row_matching import format_value_name

if TYPE_CHECKING:
    from sandbox.compare.relations import SideName, SideRows
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

MAX_REMAINING_SHARE = 0.2  # where more of the sums are not 0, to read their rows would be to read the tables
_MEMORY_BYTES_PER_SUM = (
    64  # the sums take an eighth of the memory at most, at eight bytes each; what is held of keys a quarter
)
_BATCH_ROWS = 1 << 17

Array = np.ndarray[Any, np.dtype[Any]]


def exclude_equal_rows(
    session: Session, plan: ComparisonPlan, all_rows: SideRows, *, memory: int, doing: str
) -> SideRows | None:
    """Find the rows that may differ, and those that are looked at anyway.

    Args:
        session: Holds the rows.
        plan: What is compared.
        all_rows: All rows of both sides.
        memory: Bytes that this process may take.
        doing: What a failure is the failure of.

    Returns:
        The remaining rows; None where keys repeat or are null, or where it would be of no use.
    """
    rows = max(side.rows for side in all_rows.values())
    bits = max(2, min(rows.bit_length(), (memory // _MEMORY_BYTES_PER_SUM).bit_length() - 1))
    if rows > 2 << bits:
        return None
    sums = np.zeros(1 << bits, np.uint64)
    keys = _IntegerKeys if has_integer_key(plan) and KEY_BYTES * rows <= memory // 4 else _HashedKeys
    hasher = RowHasher({format_value_name(column): column.value_type for column in plan.columns})
    sides = [
        _PrefilterSide(
            session=session, plan=plan, name=name, rows=all_rows[name], keys=keys(plan, bits, name), hasher=hasher
        )
        for name in SIDES
    ]
    if not all(side.add_to_sums(sums, doing) for side in sides) or not (plan.key == () or sides[0].keys.is_unique()):
        return None
    differs = sums != 0
    if differs.mean() > MAX_REMAINING_SHARE:
        return None
    return {side.name: side.create_remaining_view(differs, doing) for side in sides}


class _IntegerKeys:
    """Keys that are whole numbers, held on both sides.

    A sum is chosen by the remainder of a division, so that rows in the order of their keys add to one sum after the other,
    which is several times faster than to sums anywhere.
    """

    def __init__(self, plan: ComparisonPlan, bits: int, _side: SideName) -> None:
        [self._key] = plan.key_names
        self._type = plan.key[0].common
        self._sums = np.uint64(_find_prime(1 << bits))
        self._held: list[Array] = []
        self._looked: list[Array] = []
        looked = "" if plan.one_in is None else f", ({plan.sample_condition})::UTINYINT"
        self.sql = f"{self._key}::BIGINT{looked}"

    def assign_sums(self, numbers: Array, looked: Array | None = None) -> Array:
        """Hold the next keys, and give their sums."""
        self._held.append(numbers.copy())  # a view would hold the whole batch
        if looked is not None:
            self._looked.append(numbers[looked != 0])
        return self._compute_sum_indexes(numbers)

    def is_unique(self) -> bool:
        """Return whether no key is there twice."""
        return sort_unique_values(self._held) is not None

    def render_remaining_keys_sql(self, session: Session, differs: Array, _rows: ValueRows) -> str:
        """Render the SQL of the keys that are left, without reading them again."""
        found = [held[differs[self._compute_sum_indexes(held)]] for held in self._held]
        session.register_table("numbers", {"number": np.concatenate([np.zeros(0, np.int64), *found, *self._looked])})
        return f"select distinct number::{self._type} as {self._key} from numbers"

    def _compute_sum_indexes(self, numbers: Array) -> Array:
        return (numbers.view(np.uint64) % self._sums).view(np.int64)


class _HashedKeys:
    """Keys of any other kind, or none: the baseline's hashes are held, and a sum is chosen by a hash's first bits."""

    def __init__(self, plan: ComparisonPlan, bits: int, side: SideName) -> None:
        self._plan = plan
        self._shift = 64 - bits
        self._hold = bool(plan.key) and side == "baseline"
        self._held: list[Array] = []
        self._hash = f"hash({', '.join(plan.key_names)})" if plan.key else plan.row_hash
        null = " or ".join(f"{key} is null" for key in plan.key_names)
        self.sql = f"case when not ({null}) then {self._hash} end" if null else self._hash

    def assign_sums(self, hashes: Array) -> Array:
        """Hold the next hashes where they are needed, and give their sums."""
        if self._hold:
            self._held.append(hashes.copy())
        return (hashes >> np.uint64(self._shift)).view(np.int64)

    def is_unique(self) -> bool:
        """Return whether no hash is there twice."""
        return sort_unique_values(self._held) is not None

    def render_remaining_keys_sql(self, session: Session, differs: Array, rows: ValueRows) -> str:
        """Render the SQL of the keys that are left; of the condition on rows, where there is no key."""
        session.register_table("sums", {"place": np.flatnonzero(differs)})
        left = f"{self._hash} >> {self._shift} in (select place from sums) or {self._plan.sample_condition}"
        return f"select distinct {', '.join(self._plan.key_names)} from {rows} where {left}" if self._plan.key else left


def _find_prime(below: int) -> int:
    """Return a prime near a power of two: multiples of anything else spread over all remainders.

    >>> _find_prime(1 << 20)
    1048573
    """
    return next(n for n in range(below - 1, 1, -1) if all(n % d for d in range(2, math.isqrt(n) + 1)))


@dataclass(kw_only=True, eq=False)
class _PrefilterSide:
    """One side while it is summed up.

    Attributes:
        session, plan, name, rows: What is read.
        keys: What is held of its keys, and how they choose a sum.
        hasher: Hashes rows, with one key for both sides.
    """

    session: Session
    plan: ComparisonPlan
    name: SideName
    rows: ValueRows
    keys: _IntegerKeys | _HashedKeys
    hasher: RowHasher

    def add_to_sums(self, sums: Array, doing: str) -> bool:
        """Add the hashes of all rows to the sums, or subtract the candidate's; return False where a key is null."""
        into = np.add if self.name == "baseline" else np.subtract
        words = self.hasher.sql
        query = f"select {', '.join([*words, self.keys.sql])} from {self.rows}"
        # In the table's order, or numbers would not rise that do.
        self.session.execute("set preserve_insertion_order = true; set arrow_large_buffer_size = true")
        try:
            for batch in self.session.fetch_batches(query, size=_BATCH_ROWS, doing=doing):
                if not batch.num_rows:
                    continue
                columns = batch.columns
                if columns[len(words)].null_count:
                    return False
                keys = [np.asarray(np.from_dlpack(column)) for column in columns[len(words) :]]
                into.at(sums, self.keys.assign_sums(*keys), self.hasher.hash_rows(columns[: len(words)]))
        finally:
            self.session.execute("set preserve_insertion_order = false; set arrow_large_buffer_size = false")
        return True

    def create_remaining_view(self, differs: Array, doing: str) -> ValueRows:
        """Create a view of the rows whose sums differ, and of those that are looked at anyway."""
        shown = ", ".join(f"t.{raw}" for raw in self.plan.list_raw_names(self.name))
        chosen = self.keys.render_remaining_keys_sql(self.session, differs, self.rows)
        if self.plan.key:
            # Keys alone first: only a join by plain equality tells the scan which rows not to decode.
            keys = create_table(self.session, Relation(name="remaining_keys"), chosen, doing=doing)
            on = " and ".join(f"t.{key} = k.{key}" for key in self.plan.key_names)
            rows = f"{self.rows} t join {keys} k on {on}"
        else:
            rows = f"{self.rows} t where {chosen}"
        raw = create_table(
            self.session, RawRows(name=f"remaining_raw_{self.name}"), f"select {shown} from {rows}", doing=doing
        )
        [(count,)] = self.session.fetch_rows(f"select count(*) from {raw}", doing=doing)
        remaining = ValueRows(name=f"remaining_{self.name}", rows=count)
        return create_view(self.session, remaining, self.plan.render_values_sql(self.name, raw), doing=doing)
