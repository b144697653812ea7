"""``diff.json``: what a change of code did to the outputs on the sample."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from sandbox.manifest.document import Document, DocumentPart
from sandbox.model import RunVariation

EstimateStatus = Literal["exact", "estimated", "probably_too_narrow", "bounded", "not_estimated"]
DataTestOutcome = Literal["passed", "failed", "newly_failing", "fixed", "not_evaluated"]
Verdict = Literal["same", "within_gate", "outside_gate"]


class EstimatedFigure(DocumentPart):
    """An estimate for the whole of production, with its 95 % interval; None where there is none."""

    status: EstimateStatus
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


NOT_ESTIMATED = EstimatedFigure(status="not_estimated")


class AffectedUnits(EstimatedFigure):
    """Units with any added, removed or changed row; ``sample`` counts them in the sample."""

    sample: int


class FigureChange(DocumentPart):
    """A figure on both sides, and its change (candidate − baseline)."""

    baseline: EstimatedFigure = NOT_ESTIMATED
    candidate: EstimatedFigure = NOT_ESTIMATED
    change: EstimatedFigure = NOT_ESTIMATED


class TotalChange(FigureChange):
    """The total of one numeric column over all rows that belong to units; ``relative``: its change as a share of it."""

    relative: EstimatedFigure = NOT_ESTIMATED


class RowsWithoutUnit(DocumentPart):
    """Rows of the output that no figure counts: their unit key is null, or names no unit that was drawn.

    ``different`` are those of both sides that were added, removed or changed.
    """

    baseline: int
    candidate: int
    different: int


class OutputEstimate(DocumentPart):
    """What the change would do to production, by one output; ``reason`` says why nothing is estimated.

    ``population`` is how many units production has. ``share`` is the share of production's rows that differ. ``totals``
    and ``means`` (over rows where the column is not null) are by numeric column. ``outside`` counts production's rows,
    by table, that belong to no unit and so are in no figure; null where they were not counted.
    """

    status: Literal["estimated", "not_estimated"]
    reason: str | None
    unit: str | None = None
    population: int | None = None
    units_affected: AffectedUnits | None = None
    rows_added: EstimatedFigure = NOT_ESTIMATED
    rows_removed: EstimatedFigure = NOT_ESTIMATED
    rows_changed: EstimatedFigure = NOT_ESTIMATED
    share: EstimatedFigure = NOT_ESTIMATED
    totals: dict[str, TotalChange] = Field(default_factory=dict)
    means: dict[str, FigureChange] = Field(default_factory=dict)
    left_out: RowsWithoutUnit | None = None
    outside: dict[str, int | None] = Field(default_factory=dict)


class ColumnTypeChange(DocumentPart):
    """A column whose type differs; ``compared`` says whether its values could still be compared without loss."""

    baseline: str
    candidate: str
    compared: bool


class SchemaChanges(DocumentPart):
    """How the columns differ. ``renamed`` maps production's name to the candidate's."""

    added: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)
    renamed: dict[str, str] = Field(default_factory=dict)
    type_changed: dict[str, ColumnTypeChange] = Field(default_factory=dict)
    reordered: bool = False

    @property
    def is_same(self) -> bool:
        """True where neither names nor types differ; a declared renaming and another order do not count."""
        return not (self.added or self.removed or self.type_changed)


class RowCounts(DocumentPart):
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
    def differing_share(self) -> float:
        """The rows that differ, noise taken off, as a share of the baseline's; 1 where it has none and any differ."""
        counted = max(self.different - self.noise, 0)
        if self.baseline == 0:
            return 1.0 if counted else 0.0
        return counted / self.baseline


class ColumnChanges(DocumentPart):
    """What happened to one column in the rows that both sides have.

    ``match_rate`` is in [0, 1] (1.0 where no row is in both). The changes of numbers are candidate − baseline, over
    the changed rows where both are finite, to twelve digits; None where there are none. ``max_change`` is the one
    farthest from 0, with its sign. Of dates and times they are in seconds, which ``change_in`` says.
    """

    changed: int
    match_rate: float
    to_null: int = 0
    from_null: int = 0
    mean_change: float | None = None
    max_change: float | None = None
    total_change: float | None = None
    change_in: Literal["seconds"] | None = None


class ColumnSummary(DocumentPart):
    """How the values of one column are distributed on one side.

    ``nulls`` counts of ``rows``. ``distinct`` counts values that are not NULL. ``quantiles`` are those at 5, 25, 50, 75
    and 95 %. ``min``, ``max``, ``mean`` and the quantiles leave out NaN and infinity; None where there are none.
    """

    rows: int
    nulls: int
    distinct: int | None
    min: JsonValue = None
    max: JsonValue = None
    mean: float | None = None
    quantiles: list[JsonValue] = Field(default_factory=list)


class Histogram(DocumentPart):
    """Bins of equal width that both sides share, and the share of each side's values in each.

    The first bin holds what is below it as well, the last one what is above.
    """

    edges: list[JsonValue]
    baseline: list[float]
    candidate: list[float]


class TopValue(DocumentPart):
    """A frequent value, and its share of the rows of either side."""

    value: JsonValue
    baseline: float
    candidate: float


class ColumnProfile(DocumentPart):
    """One column's distribution on both sides.

    Histogram, top values and quantiles come from one row in ``one_in``, taken by its key: 1 where every row was looked
    at. ``exact`` says whether rows, nulls, min, max and mean are of every row (``distinct`` is then within a few
    percent); else they too come from these rows.
    """

    baseline: ColumnSummary
    candidate: ColumnSummary
    histogram: Histogram | None = None
    top: list[TopValue] = Field(default_factory=list)
    one_in: int
    exact: bool


class ColumnSlice(DocumentPart):
    """What a segment says of one column: one of ``values``, or from ``low`` to ``high``, both included.

    None among the values stands for NULL; ``low`` or ``high`` is None where the slice is open there.
    """

    column: str
    values: list[JsonValue] = Field(default_factory=list)
    low: JsonValue = None
    high: JsonValue = None


class RowSegment(DocumentPart):
    """A slice of the rows that holds more of the differences than its share of the rows.

    ``slices`` all apply. ``covered`` is the share of the differing rows that lie in it, ``rows`` its share of all rows,
    ``differing`` the share of its rows that differ. ``score`` is Youden's J: ``covered`` less the share of the rows that
    do not differ in it; 1 where it holds all differences and nothing else, 0 where it tells nothing.
    """

    slices: list[ColumnSlice]
    covered: float
    rows: float
    differing: float
    score: float


class RowKey(DocumentPart):
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


class RowExample(DocumentPart):
    """One differing row: its key, and for each differing column production's value and the candidate's, as JSON.

    ``kind`` is ``added``, ``removed`` or ``changed``; an added row has only candidate values, a removed one only
    baseline values (None stands for the side that has no row; a NULL inside a row is null as well).
    """

    kind: Literal["added", "removed", "changed"]
    key: dict[str, JsonValue]
    baseline: dict[str, JsonValue] | None
    candidate: dict[str, JsonValue] | None


class OutputDiff(DocumentPart):
    """One output compared. ``status``: in both, or only in one side.

    ``tainted`` are the columns that differ between two runs of the baseline: nothing is judged in them. ``rounding`` are
    those in which only the last digits do, with the relative tolerance that they got. ``flickering`` counts the rows that
    only one of these two runs has, such columns aside.
    """

    status: Literal["compared", "added", "removed"]
    identical: bool
    key: RowKey
    schema_: SchemaChanges = Field(alias="schema", default_factory=SchemaChanges)
    rows: RowCounts
    columns: dict[str, ColumnChanges] = Field(default_factory=dict)
    ignored: list[str] = Field(default_factory=list)
    tainted: list[str] = Field(default_factory=list)
    rounding: dict[str, float] = Field(default_factory=dict)
    flickering: int = 0
    examples: list[RowExample] = Field(default_factory=list)
    profiles: dict[str, ColumnProfile] = Field(default_factory=dict)
    segments: list[RowSegment] = Field(default_factory=list)
    estimate: OutputEstimate

    @property
    def is_same(self) -> bool:
        """True where nothing differs but for noise, neither rows nor schema."""
        return self.status == "compared" and self.schema_.is_same and self.rows.different <= self.rows.noise


class ProductionOutput(DocumentPart):
    """An output that production really made: how many files, their bytes, when the youngest was written, its rows.

    ``compared`` counts the rows that were left when it was cut to the sample's units.
    """

    files: int
    bytes: int
    modified: str
    rows: int
    compared: int


class DiffSide(DocumentPart):
    """One side of the comparison; for plain tables ``run``, ``commit`` and the costs are None and ``ref`` a path.

    ``output_bytes`` is the size of what the run left. ``made`` is given where production's own outputs stand for a
    run, ``ref`` being their path; ``stack`` names the file that another stack came from.
    """

    run: str | None
    ref: str
    commit: str | None
    tree: str | None
    cached: bool
    seconds: float | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    bytes_read: int | None = None
    bytes_written: int | None = None
    output_bytes: int | None = None
    made: dict[str, ProductionOutput] | None = None
    stack: str | None = None


class NoiseRun(DocumentPart):
    """The run that told noise from change: the baseline's code once more, done differently."""

    run: str
    cached: bool
    seconds: float
    variation: RunVariation


class SampleReference(DocumentPart):
    """The sample that both sides ran on; ``units`` and ``population`` map a unit table to how many it holds."""

    fingerprint: str
    drawn: str
    units: dict[str, int]
    population: dict[str, int]


class EnvironmentReference(DocumentPart):
    """The stack. ``isolated`` is false where code could reach the network or the machine's files."""

    id: str
    runtime: Literal["docker", "local", "fake"]
    base: str
    candidate_id: str
    isolated: bool


class DataTestResult(DocumentPart):
    """One data test on both sides; the counts are rows that break the rule.

    A count is None where the query could not be carried out on that side; ``problems`` then says why, by side. The
    outcome is ``not_evaluated`` where that is so of the candidate.
    """

    name: str
    baseline_failures: int | None
    candidate_failures: int | None
    outcome: DataTestOutcome
    problems: dict[str, str] = Field(default_factory=dict)

    @property
    def is_worse(self) -> bool:
        """True where more rows break it than on the baseline."""
        return (self.candidate_failures or 0) > (self.baseline_failures or 0)


class DbtBuild(DocumentPart):
    """What of a dbt project the candidate's run built, by model, snapshot and seed.

    ``changed`` differ from the baseline's (None where the project was built whole), ``built`` are these and what depends on
    them, ``taken_over`` came from the baseline's run.
    """

    changed: list[str] | None
    built: list[str]
    taken_over: list[str]


class GateResult(DocumentPart):
    """One rule of the gate, for one output or (None) over all; ``found`` is what was compared with ``limit``.

    ``rule`` is ``changed_rows``, ``schema``, ``tests`` or ``total_change OUTPUT.COLUMN``. An output's own rule that could not
    be evaluated, because the output was not compared, is ``changed_rows OUTPUT`` or ``schema OUTPUT``.
    """

    rule: str
    output: str | None
    limit: str
    held: bool
    found: str


class DiffDocument(Document):
    """The whole comparison. ``sample`` and ``environment`` are None when two plain tables were compared.

    ``values`` is false where values of rows were left out (``--no-values``).
    """

    NAME: ClassVar[str] = "the diff"

    id: str
    created: str
    project: str | None
    verdict: Verdict
    baseline: DiffSide
    candidate: DiffSide
    sample: SampleReference | None
    environment: EnvironmentReference | None
    outputs: dict[str, OutputDiff]
    tests: list[DataTestResult]
    gate: list[GateResult]
    warnings: list[str]
    report: str | None
    repeat: NoiseRun | None = None
    dbt: DbtBuild | None = None
    values: bool = True
