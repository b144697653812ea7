"""Rows that both sides have at equal positions, set aside without decoding what is equal byte by byte.

Where the bytes of all columns are equal, so are the rows. Elsewhere the columns whose bytes differ are decoded and compared
value by value; a row is set aside if all of its values are equal. The other rows of both sides, and those that are looked
at although they do not differ, go on to the comparison by key. Of columns with equal bytes one side is read for both.

That rows of one position are equal says nothing of other rows with their key. So the key has to be unique on both
sides, and never null: the baseline's keys are all read, the candidate's where they may be others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.compare.reading.table_reader import render_raw_column
from sandbox.compare.relations import SIDES, Relation, ValueRows, create_table, create_view
from sandbox.compare.rows.key_uniqueness import KEY_BYTES, render_key_number_sql, sort_unique_values
from sandbox.compare.rows.row_matching import format_value_name
from sandbox.compare.sql_types import render_nan_safe_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.compare.chunks.aligned_tables import AlignedTables, RowRange
    from sandbox.compare.columns import ComparedColumn
    from sandbox.compare.relations import SideName, SideRows
    from sandbox.compare.rows.row_matching import ComparisonPlan
    from sandbox.engine.duckdb.session import Session

MAX_REMAINING_SHARE = 0.2  # where more of the rows are left, to read them would be to read the tables
_MIN_PROBED_ROWS = 500_000  # rows of one set of columns, of which a part is compared first
_BATCH_ROWS = 1 << 17
_RANGES_PER_SCAN = 32
_SCANS_PER_STATEMENT = 16

Array = np.ndarray[Any, np.dtype[Any]]


def exclude_unchanged_rows(
    session: Session,
    plan: ComparisonPlan,
    all_rows: SideRows,
    tables: AlignedTables,
    *,
    memory: int,
    doing: str,
) -> SideRows | None:
    """Find the rows that may differ, and those that are looked at anyway.

    Args:
        session: Holds the rows.
        plan: What is compared.
        all_rows: All rows of both sides.
        tables: The same rows by their positions.
        memory: Bytes that this process may take.
        doing: What a failure is the failure of.

    Returns:
        The remaining rows; None where keys repeat or are null, or where too many rows are left.
    """
    rows = max(side.rows for side in all_rows.values())
    unaligned = max(sum(one.end - one.start for one in ranges) for ranges in tables.unaligned.values())
    if unaligned > MAX_REMAINING_SHARE * rows or KEY_BYTES * rows > memory // 4:
        return None
    work = _ChunkPrefilter(session=session, plan=plan, tables=tables, doing=doing)
    if work.has_mostly_differing_rows():
        return None
    keys = work.read_baseline_keys()
    if keys is None:
        return None
    if not work.collect_rows():
        return None
    remaining = work.create_remaining_views(all_rows)
    too_many = max(side.rows for side in remaining.values()) > MAX_REMAINING_SHARE * rows
    return None if too_many or not work.is_candidate_unique(keys, remaining) else remaining


@dataclass(kw_only=True, eq=False)
class _ChunkPrefilter:
    session: Session
    plan: ComparisonPlan
    tables: AlignedTables
    doing: str
    sampled: dict[str, Array] = field(default_factory=lambda: {"f": np.zeros(0, np.uint64), "n": np.zeros(0, np.int64)})
    parts: dict[SideName, list[str]] = field(default_factory=lambda: {side: [] for side in SIDES})

    @property
    def differing_sets(self) -> list[tuple[list[ComparedColumn], Sequence[RowRange]]]:
        """The sets of columns that may differ, with their ranges."""
        return [
            (sorted(columns, key=lambda column: column.baseline), ranges)
            for columns, ranges in self.tables.ranges.items()
            if columns
        ]

    def has_mostly_differing_rows(self) -> bool:
        """Return whether most rows of the first and of a middle range differ, of sets with many rows."""
        for columns, ranges in self.differing_sets:
            if sum(one.end - one.start for one in ranges) >= _MIN_PROBED_ROWS:
                probed = [_shorten_range(one) for one in {ranges[0], ranges[len(ranges) // 2]}]
                [(found,)] = self.session.fetch_rows(
                    f"select count(*) from ({' union all '.join(self._render_scans(columns, probed))}) where differs",
                    doing=self.doing,
                )
                if found > MAX_REMAINING_SHARE * sum(one.end - one.start for one in probed):
                    return True
        return False

    def read_baseline_keys(self) -> Array | None:
        """Return the baseline's keys as numbers, sorted; None where one repeats or is null. Note the sampled rows.

        Without a key there are no numbers to return. Rows are sampled where nothing differs, if something does elsewhere.
        """
        left = bool(self.differing_sets or any(self.tables.unaligned.values()))
        sampled = self.plan.one_in is not None and left and bool(self.tables.ranges.get(frozenset()))
        wanted = [f"{render_key_number_sql(self.plan)} as k"] if self.plan.key else []
        wanted += [f"({self.plan.sample_condition})::UTINYINT as s"] if sampled else []
        if not wanted:
            return np.zeros(0, np.uint64)
        columns = self.plan.key or self.plan.columns
        source = self._render_values_sql("baseline", columns)
        held, places, start = [], [], 0
        # In the tables' order, or numbers would not rise that do, and rows would have no number.
        self.session.execute("set preserve_insertion_order = true; set arrow_large_buffer_size = true")
        try:
            query = f"select {', '.join(wanted)} from {source}"
            for batch in self.session.fetch_batches(query, size=_BATCH_ROWS, doing=self.doing):
                arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
                if "k" in arrays:
                    if arrays["k"].null_count:
                        return None
                    held.append(np.asarray(np.from_dlpack(arrays["k"])).copy())  # a view would hold the whole batch
                if "s" in arrays:
                    places.append(np.flatnonzero(np.asarray(np.from_dlpack(arrays["s"]))) + start)
                start += batch.num_rows
        finally:
            self.session.execute("set preserve_insertion_order = false; set arrow_large_buffer_size = false")
        self._note_sampled_rows(np.concatenate([np.zeros(0, np.int64), *places]))
        return sort_unique_values(held)

    def _note_sampled_rows(self, places: Array) -> None:
        """Keep the positions of sampled rows where nothing differs; the others are found where they are compared."""
        ends = np.cumsum([file.metadata.num_rows for file in self.tables.sides["baseline"].files])
        files = np.searchsorted(ends, places, side="right")
        numbers = places - np.concatenate([[0], ends])[files]
        kept = np.zeros(len(places), bool)
        for one in self.tables.ranges.get(frozenset(), ()):
            first, last = np.searchsorted(
                places, np.array([one.start, one.end]) + (ends[one.file] - self._count_rows(one.file))
            )
            kept[first:last] = True
        self.sampled = {"f": files[kept].astype(np.uint64), "n": numbers[kept]}

    def _count_rows(self, file: int) -> int:
        return int(self.tables.sides["baseline"].files[file].metadata.num_rows)

    def collect_rows(self) -> bool:
        """Make tables of the rows that are left, and of what both sides hold in them.

        Returns:
            False where DuckDB did not read both sides in the order of their rows.
        """
        for number, (columns, ranges) in enumerate(self.differing_sets):
            if not self._collect_differing_rows(number, columns, ranges):
                return False
        if len(self.sampled["n"]):
            self.session.register_table("sampled_positions", self.sampled)
            self._read_other_columns("aligned_equal", Relation(name="sampled_positions"), [])
        for side, ranges in self.tables.unaligned.items():
            table = self.tables.sides[side]
            numbers = [_get_number(column, side) for column in self.plan.columns]
            shown = ", ".join(render_raw_column(number, table.types[number]) for number in numbers)
            for some in _split_ranges(ranges):
                self.parts[side].append(f"select {shown} from {table.render_file_sql(numbers, some)}")
        return True

    def _collect_differing_rows(
        self, number: int, columns: Sequence[ComparedColumn], ranges: Sequence[RowRange]
    ) -> bool:
        """Make the tables of the rows of some ranges that differ, or are sampled; return whether positions agreed."""
        found = Relation(name=f"aligned_found_{number}")
        scans = list(self._render_scans(columns, ranges))
        for start in range(0, len(scans), _SCANS_PER_STATEMENT):
            query = " union all ".join(scans[start : start + _SCANS_PER_STATEMENT])
            verb = f"insert into {found}" if start else f"create or replace temp table {found} as"
            self.session.execute(f"{verb} {query}", doing=self.doing)
        [(apart,)] = self.session.fetch_rows(f"select count(*) from {found} where apart", doing=self.doing)
        self._read_other_columns(f"aligned_{number}", found, columns)
        return not apart

    def _read_other_columns(self, name: str, positions: Relation, columns: Sequence[ComparedColumn]) -> None:
        """Make a table of rows at positions: as ``b<n>`` and, of the columns that may differ, ``c<n>``; note both sides' parts.

        The other columns are equal at equal positions, so the baseline's are read for both sides.
        """
        others = [column for column in self.plan.columns if column not in columns]
        if others:
            table = self.tables.sides["baseline"]
            read = ", ".join(f"t.r{column.baseline} as b{column.baseline}" for column in others)
            # Only a join by plain equality tells the scan which rows not to decode.
            positions = create_table(
                self.session,
                Relation(name=name),
                f"select p.*, {read} from {table.render_rows_sql([column.baseline for column in others])} t "
                f"join {positions} p on t.f = p.f and t.n = p.n",
                doing=self.doing,
            )
        for side in SIDES:
            own = set(columns) if side == "candidate" else set()
            shown = ", ".join(
                f"{'c' if column in own else 'b'}{column.baseline} as {column.format_raw_name(side)}"
                for column in self.plan.columns
            )
            self.parts[side].append(f"select {shown} from {positions}")

    def _render_scans(self, columns: Sequence[ComparedColumn], ranges: Sequence[RowRange]) -> Iterator[str]:
        """Render the rows of ranges that differ or are sampled: positions, ``b<n>`` and ``c<n>`` of the columns."""
        differs = " or ".join(
            f"({format_value_name(column)} is distinct from w{column.baseline})" for column in columns
        )
        names = ", ".join(f"b{column.baseline}, c{column.baseline}" for column in columns)
        sampled = self.plan.sample_condition
        for some in _split_ranges(ranges):
            yield (
                f"select {some[0].file}::UBIGINT as f, n, {differs} as differs, n is distinct from m as apart, {names} "
                f"from {self._render_paired_rows(some, columns)} where {differs} or {sampled} or n is distinct from m"
            )

    def _render_paired_rows(self, ranges: Sequence[RowRange], columns: Sequence[ComparedColumn]) -> str:
        """Render the rows of both sides at equal positions.

        Their columns are the positions ``n`` and ``m``, what was read as ``b<n>`` and ``c<n>``, and the compared values
        ``v<n>`` and ``w<n>``; of columns that only decide about the sample, the baseline's alone.
        """
        # Below the join are nothing but scans: else DuckDB would hold all rows of one side.
        scans, read, values = [], ["b.n as n", "c.n as m"], []
        sampled_by = (self.plan.key or self.plan.columns) if self.plan.one_in is not None else ()
        both = dict.fromkeys([*columns, *sampled_by])
        for row, value, side, some in zip("bc", "vw", SIDES, (both, columns), strict=True):
            scans.append(
                self.tables.sides[side].render_file_sql([_get_number(column, side) for column in some], ranges)
            )
            for column in some:
                raw = f"{row}.{column.format_raw_name(side)}"
                name = f"{row}{column.baseline}"
                read.append(f"{render_nan_safe_sql(column.select_type(side), raw)} as {name}")
                converted = column.render_converted_sql(side, name, key=column in self.plan.key)
                values.append(f"{converted} as {value}{column.baseline}")
        joined = f"(select {', '.join(read)} from {scans[0]} b positional join {scans[1]} c)"
        return f"(select *, {', '.join(values)} from {joined})"

    def _render_values_sql(self, side: SideName, columns: Sequence[ComparedColumn]) -> str:
        """Render the rows of one side with columns as they are read, and their compared values."""
        given = "".join(
            f", {column.render_value_sql(side, key=column in self.plan.key)} as {format_value_name(column)}"
            for column in columns
        )
        rows = self.tables.sides[side].render_rows_sql(_get_number(column, side) for column in columns)
        return f"(select *{given} from {rows})"

    def create_remaining_views(self, all_rows: SideRows) -> dict[SideName, ValueRows]:
        """Create a view of the remaining rows of each side."""
        remaining = {}
        for side in SIDES:
            if self.parts[side]:
                source = f"({' union all '.join(self.parts[side])})"
            else:
                source = f"(select {', '.join(self.plan.list_raw_names(side))} from {all_rows[side]} limit 0)"
            [(count,)] = self.session.fetch_rows(f"select count(*) from {source}", doing=self.doing)
            query = self.plan.render_values_sql(side, source)
            view = ValueRows(name=f"remaining_{side}", rows=count)
            remaining[side] = create_view(self.session, view, query, doing=self.doing)
        return remaining

    def is_candidate_unique(self, keys: Array, remaining: SideRows) -> bool:
        """Return whether the candidate's keys are unique and not null, given all of the baseline's.

        A key of the rows that are left must not be there twice, nor belong to a row that was set aside.
        """
        if not self.plan.key:
            return True
        left = {side: self._read_remaining_keys(remaining[side]) for side in SIDES}
        before, after = left["baseline"], left["candidate"]
        if before is None or after is None or (unique := sort_unique_values([after])) is None:
            return False
        places = np.minimum(np.searchsorted(keys, unique), max(len(keys) - 1, 0))
        known = keys[places] == unique if len(keys) else np.zeros(len(unique), bool)
        return bool(np.all(np.isin(unique[known], before)))

    def _read_remaining_keys(self, rows: ValueRows) -> Array | None:
        query = f"select {render_key_number_sql(self.plan)} as k from {rows}"
        held = []
        for batch in self.session.fetch_batches(query, size=_BATCH_ROWS, doing=self.doing):
            if batch.column(0).null_count:
                return None
            held.append(np.asarray(np.from_dlpack(batch.column(0))).copy())
        return np.concatenate([np.zeros(0, held[0].dtype if held else np.uint64), *held])


def _get_number(column: ComparedColumn, side: SideName) -> int:
    return column.baseline if side == "baseline" else column.candidate


def _split_ranges(ranges: Sequence[RowRange]) -> Iterator[Sequence[RowRange]]:
    """Yield some ranges of one file at a time: a scan skips row groups only of one file, by few ranges."""
    for file in dict.fromkeys(one.file for one in ranges):
        own = [one for one in ranges if one.file == file]
        for start in range(0, len(own), _RANGES_PER_SCAN):
            yield own[start : start + _RANGES_PER_SCAN]


def _shorten_range(one: RowRange) -> RowRange:
    return replace(one, end=min(one.end, one.start + _MIN_PROBED_ROWS // 4))
