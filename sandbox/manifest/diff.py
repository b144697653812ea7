"""``diff.json``: what a change of code did to the outputs on the sample."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from sandbox.manifest.document import Document, Part

Status = Literal["exact", "estimated", "probably_too_narrow", "bounded", "not_estimated"]
Verdict = Literal["same", "within_gate", "outside_gate"]


class Figure(Part):
    """An estimate for the whole of production, with its 95 % interval; None where there is none."""

    status: Status
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


NOT_ESTIMATED = Figure(status="not_estimated")


class UnitsAffected(Figure):
    """Units with any added, removed or changed row; ``sample`` counts them in the sample."""

    sample: int


class Total(Part):
    """The total of one numeric column over all rows that belong to units."""

    baseline: Figure = NOT_ESTIMATED
    candidate: Figure = NOT_ESTIMATED
    change: Figure = NOT_ESTIMATED


class Estimate(Part):
    """What the change would do to production, by one output; ``reason`` says why nothing is estimated."""

    status: Literal["estimated", "not_estimated"]
    reason: str | None
    unit: str | None = None
    units_affected: UnitsAffected | None = None
    rows_added: Figure = NOT_ESTIMATED
    rows_removed: Figure = NOT_ESTIMATED
    rows_changed: Figure = NOT_ESTIMATED
    totals: dict[str, Total] = Field(default_factory=dict)


class TypeChange(Part):
    """A column whose type differs; ``compared`` says whether its values could still be compared without loss."""

    baseline: str
    candidate: str
    compared: bool


class SchemaChanges(Part):
    """How the columns differ. ``renamed`` maps production's name to the candidate's."""

    added: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)
    renamed: dict[str, str] = Field(default_factory=dict)
    type_changed: dict[str, TypeChange] = Field(default_factory=dict)
    reordered: bool = False

    @property
    def same(self) -> bool:
        """True where neither names nor types differ; a declared renaming and another order do not count."""
        return not (self.added or self.removed or self.type_changed)


class Rows(Part):
    """Row counts. added + changed + unchanged = candidate; removed + changed + unchanged = baseline."""

    baseline: int
    candidate: int
    added: int
    removed: int
    changed: int
    unchanged: int
    noise: int = 0

    @property
    def different(self) -> int:
        """Rows that differ in any way."""
        return self.added + self.removed + self.changed

    @property
    def share(self) -> float:
        """The rows that differ, noise taken off, as a share of the baseline's; 1 where it has none and any differ."""
        counted = max(self.different - self.noise, 0)
        if self.baseline == 0:
            return 1.0 if counted else 0.0
        return counted / self.baseline


class ColumnChanges(Part):
    """What happened to one column in the rows that both sides have.

    ``match_rate`` is in [0, 1] (1.0 where no row is in both). The changes of numbers are candidate − baseline, over
    the changed rows where both are finite numbers, to twelve digits; None where there are none. ``max_change`` is the
    one farthest from 0, with its sign.
    """

    changed: int
    match_rate: float
    to_null: int = 0
    from_null: int = 0
    mean_change: float | None = None
    max_change: float | None = None
    total_change: float | None = None


class Key(Part):
    """How rows are told apart.

    ``source``: ``declared``, ``inferred`` (unique in both), or ``none`` (compared as multisets). Duplicates and nulls
    count rows; where there are any, the rows concerned are compared as multisets, never paired by their order.
    """

    columns: list[str]
    source: Literal["declared", "inferred", "none"]
    baseline_duplicates: int = 0
    candidate_duplicates: int = 0
    baseline_nulls: int = 0
    candidate_nulls: int = 0


class Example(Part):
    """One differing row: its key, and for each differing column production's value and the candidate's, as JSON.

    ``kind`` is ``added``, ``removed`` or ``changed``; an added row has only candidate values, a removed one only
    baseline values (None stands for the side that has no row; a NULL inside a row is null as well).
    """

    kind: Literal["added", "removed", "changed"]
    key: dict[str, JsonValue]
    baseline: dict[str, JsonValue] | None
    candidate: dict[str, JsonValue] | None


class OutputDiff(Part):
    """One output compared. ``status``: in both, or only in one side."""

    status: Literal["compared", "added", "removed"]
    identical: bool
    key: Key
    schema_: SchemaChanges = Field(alias="schema", default_factory=SchemaChanges)
    rows: Rows
    columns: dict[str, ColumnChanges] = Field(default_factory=dict)
    ignored: list[str] = Field(default_factory=list)
    examples: list[Example] = Field(default_factory=list)
    estimate: Estimate

    @property
    def same(self) -> bool:
        """True where nothing differs, neither rows nor schema."""
        return self.status == "compared" and self.schema_.same and not self.rows.different


class Side(Part):
    """One side of the comparison; for plain tables ``run``, ``commit`` and the costs are None and ``ref`` a path."""

    run: str | None
    ref: str
    commit: str | None
    tree: str | None
    cached: bool
    seconds: float | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None


class SampleReference(Part):
    """The sample that both sides ran on; ``units`` and ``population`` map a unit table to how many it holds."""

    fingerprint: str
    drawn: str
    units: dict[str, int]
    population: dict[str, int]


class EnvironmentReference(Part):
    """The stack. ``isolated`` is false where code could reach the network or the machine's files."""

    id: str
    runtime: Literal["docker", "local", "fake"]
    base: str
    candidate_id: str
    isolated: bool


class DataTest(Part):
    """One data test on both sides; the counts are rows that break the rule."""

    name: str
    baseline_failures: int
    candidate_failures: int
    outcome: Literal["passed", "failed", "newly_failing", "fixed"]


class GateResult(Part):
    """One rule of the gate, for one output or (None) over all; ``found`` is what was compared with ``limit``.

    ``rule`` is ``changed_rows``, ``schema``, ``tests`` or ``total_change OUTPUT.COLUMN``.
    """

    rule: str
    output: str | None
    limit: str
    held: bool
    found: str


class DiffDocument(Document):
    """The whole comparison. ``sample`` and ``environment`` are None when two plain tables were compared."""

    NAME: ClassVar[str] = "the diff"

    id: str
    created: str
    project: str | None
    verdict: Verdict
    baseline: Side
    candidate: Side
    sample: SampleReference | None
    environment: EnvironmentReference | None
    outputs: dict[str, OutputDiff]
    tests: list[DataTest]
    gate: list[GateResult]
    warnings: list[str]
    report: str | None
