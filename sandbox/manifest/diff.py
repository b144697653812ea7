"""``diff.json``: the effects of a code change on the outputs, measured on the sample."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from sandbox.manifest.diff_sides import DiffSide, EnvironmentReference, NoiseRun, SampleReference
from sandbox.manifest.document import Document, DocumentPart
from sandbox.manifest.output_estimate import OutputEstimate, upgrade_estimate
from sandbox.manifest.separability import SeparabilityChecks
from sandbox.manifest.why.cause import OutputCause
from sandbox.manifest.why.expected_columns import ExpectedColumns

DataTestOutcome = Literal["passed", "failed", "newly_failing", "fixed", "not_evaluated", "warned", "removed", "skipped"]
Verdict = Literal["same", "within_gate", "outside_gate"]


class ColumnTypeChange(DocumentPart):
    """A column with a changed type; ``compared`` is true if its values could still be compared without loss."""

    baseline: str
    candidate: str
    compared: bool


class SchemaChanges(DocumentPart):
    """Differences of the columns. ``renamed`` maps production's name to the candidate's."""

    added: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)
    renamed: dict[str, str] = Field(default_factory=dict)
    type_changed: dict[str, ColumnTypeChange] = Field(default_factory=dict)
    reordered: bool = False

    @property
    def is_same(self) -> bool:
        """Whether names and types are equal; declared renamings and column order are ignored."""
        return not (self.added or self.removed or self.type_changed)


class RowCounts(DocumentPart):
    """Row counts. added + changed + unchanged = candidate; removed + changed + unchanged = baseline.

    ``noise`` and ``rounding`` are disjoint parts of the rows that differ. ``largest_rounding`` is the largest relative
    difference of two numbers in the latter, of those outside lists, structs and maps.
    """

    baseline: int
    candidate: int
    added: int
    removed: int
    changed: int
    unchanged: int
    noise: int = 0
    rounding: int = 0
    largest_rounding: float | None = None

    @property
    def different(self) -> int:
        """Rows that differ in any way."""
        return self.added + self.removed + self.changed

    @property
    def differing_share(self) -> float:
        """Rows that differ, without noise and rounding, as a share of the baseline's rows (see `compute_share`)."""
        return self.compute_share(self.noise + self.rounding)

    def compute_share(self, accepted: int) -> float:
        """Return the rows that differ, without accepted ones, as a share of the baseline's rows.

        It is 1 if only the baseline is empty.
        """
        counted = max(self.different - accepted, 0)
        if self.baseline == 0:
            return 1.0 if counted else 0.0
        return counted / self.baseline


class ColumnChanges(DocumentPart):
    """Changes of one column in the rows present on both sides.

    ``match_rate`` is in [0, 1] (1.0 if no row is on both sides). Changes of numbers are candidate − baseline, over
    changed rows with finite values on both sides, to twelve digits, or None. ``max_change`` is the one farthest from 0,
    signed. For dates and times they are in seconds, and ``change_in`` is set. ``max_relative_change`` is that of
    floating-point numbers, as a part of the larger of two numbers.
    """

    changed: int
    match_rate: float
    to_null: int = 0
    from_null: int = 0
    mean_change: float | None = None
    max_change: float | None = None
    total_change: float | None = None
    max_relative_change: float | None = None
    change_in: Literal["seconds"] | None = None


class ColumnSummary(DocumentPart):
    """Distribution of one column's values on one side.

    ``nulls`` is out of ``rows``. ``distinct`` counts values other than NULL. ``quantiles`` are at 5, 25, 50, 75 and 95
    %. ``min``, ``max``, ``mean`` and the quantiles exclude NaN and infinity, and may be None.
    """

    rows: int
    nulls: int
    distinct: int | None
    min: JsonValue = None
    max: JsonValue = None
    mean: float | None = None
    quantiles: list[JsonValue] = Field(default_factory=list)


class Histogram(DocumentPart):
    """Bins of equal width, and the share of each side's values in each.

    The first bin includes all values below it, the last one all above.
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

    Histogram, top values and quantiles use one row in ``one_in``, selected by its key; 1 means every row. With
    ``exact``, rows, nulls, min, max and mean use every row (``distinct`` is then within a few percent); otherwise they
    use the same selection.
    """

    baseline: ColumnSummary
    candidate: ColumnSummary
    histogram: Histogram | None = None
    top: list[TopValue] = Field(default_factory=list)
    one_in: int
    exact: bool


class ColumnSlice(DocumentPart):
    """A segment's condition on one column: one of ``values``, or from ``low`` to ``high`` inclusive.

    None among the values is NULL; ``low`` or ``high`` is None for an open end.
    """

    column: str
    values: list[JsonValue] = Field(default_factory=list)
    low: JsonValue = None
    high: JsonValue = None


class RowSegment(DocumentPart):
    """A segment of the rows with more of the differences than its share of the rows.

    ``slices`` all apply. ``covered`` is the share of differing rows in the segment, ``rows`` its share of all rows,
    ``differing`` the share of its rows that differ. ``score`` is Youden's J: ``covered`` minus the segment's share of
    the other rows; 1 if it contains all differences and nothing else, 0 without information.
    """

    slices: list[ColumnSlice]
    covered: float
    rows: float
    differing: float
    score: float


class RowKey(DocumentPart):
    """The key that identifies rows.

    ``source``: ``declared``, ``inferred`` (unique on both sides), or ``none`` (compared as multisets). Duplicates and
    nulls count rows. Rows with such keys are compared as multisets, never paired by order.
    """

    columns: list[str]
    source: Literal["declared", "inferred", "none"]
    baseline_duplicates: int = 0
    candidate_duplicates: int = 0
    baseline_nulls: int = 0
    candidate_nulls: int = 0


class RowExample(DocumentPart):
    """One differing row: its key, and both values of each differing column, as JSON.

    ``kind`` is ``added``, ``removed`` or ``changed``; an added row has only candidate values, a removed one only
    baseline values. The other side is None; a NULL in a row is null as well.
    """

    kind: Literal["added", "removed", "changed"]
    key: dict[str, JsonValue]
    baseline: dict[str, JsonValue] | None
    candidate: dict[str, JsonValue] | None


class AppliedTolerance(DocumentPart):
    """What counts as equal in one column although it is not the same; ``time`` is in seconds (see ``tolerance``)."""

    abs: float = 0.0
    rel: float = 0.0
    time: float = 0.0
    case: bool = True
    space: bool = True
    set: bool = False


class NondeterministicColumn(DocumentPart):
    """The judgement of a column whose values differ between two runs of the baseline.

    ``kind``: ``times`` within each run's own duration and ``identifiers`` that are unique are judged by NULLs and
    uniqueness alone, ``numbers`` and ``categories`` by their distribution as well. ``p_value`` is adjusted for all columns
    of the diff (Holm). ``finding`` is what is unlike, empty if nothing is.
    """

    kind: Literal["times", "identifiers", "numbers", "categories"]
    p_value: float
    is_alike: bool
    finding: str = ""


class OutputDiff(DocumentPart):
    """The comparison of one output. ``status``: on both sides, or only on one.

    ``tainted`` are nondeterministic columns: they differ between two runs of the baseline. Their rows are not compared,
    and ``nondeterministic`` judges their distributions. ``noise_tolerances`` are columns that differ between these runs
    only in the last digits, with the relative tolerance that follows. ``flickering`` counts rows in only one of these two
    runs, apart from such columns. ``idle_tolerances`` are columns of text files that a declared tolerance does not fit, with
    the reason. ``null_columns`` are NULL in every row, on both sides or on the candidate's alone.
    """

    status: Literal["compared", "added", "removed"]
    identical: bool
    key: RowKey
    schema_: SchemaChanges = Field(alias="schema", default_factory=SchemaChanges)
    rows: RowCounts
    columns: dict[str, ColumnChanges] = Field(default_factory=dict)
    ignored: list[str] = Field(default_factory=list)
    tolerances: dict[str, AppliedTolerance] = Field(default_factory=dict)
    null_columns: dict[str, Literal["both", "candidate"]] = Field(default_factory=dict)
    tainted: list[str] = Field(default_factory=list)
    nondeterministic: dict[str, NondeterministicColumn] = Field(default_factory=dict)
    noise_tolerances: dict[str, float] = Field(default_factory=dict)
    idle_tolerances: dict[str, str] = Field(default_factory=dict)
    flickering: int = 0
    examples: list[RowExample] = Field(default_factory=list)
    profiles: dict[str, ColumnProfile] = Field(default_factory=dict)
    segments: list[RowSegment] = Field(default_factory=list)
    estimate: OutputEstimate

    @property
    def is_same(self) -> bool:
        """True if no row and no column differs."""
        return self.status == "compared" and self.schema_.is_same and not self.rows.different

    @property
    def is_literally_same(self) -> bool:
        """True if nothing differs and no rule could have hidden a difference."""
        schema = self.schema_
        hidden = bool(self.ignored or self.tolerances or self.noise_tolerances or schema.renamed)
        return self.is_same and not schema.reordered and (self.identical or not hidden)


class ArtifactDiff(DocumentPart):
    """A file other than a table, compared by its digest.

    ``nondeterministic``: it differs between two runs of the baseline as well. The bytes of a side without it are None.
    Where its name promises the table ``output``, ``reason`` says why it is none. ``table_in`` is the side that has that table
    all the same.
    """

    status: Literal["same", "changed", "added", "removed", "nondeterministic"]
    baseline_bytes: int | None = None
    candidate_bytes: int | None = None
    output: str | None = None
    reason: str | None = None
    table_in: Literal["baseline", "candidate"] | None = None


class NotCompared(DocumentPart):
    """An output of a run, a part of one, or a file excluded from the comparison.

    ``output`` is the output whose gate judges it; None if it belongs to none. ``quoted`` are parts of the reason in the
    words of the query engine, which may hold values. ``is_broken``: the baseline makes it, and the candidate fails to.
    """

    name: str
    reason: str
    output: str | None = None
    quoted: list[str] = Field(default_factory=list)
    is_broken: bool = False


class RuleChange(DocumentPart):
    """A rule of ``sandbox.toml`` with another value than in the baseline commit's file.

    ``loosens``: whether the comparison accepts more, or has another subject. The values are TOML; None if the key is
    absent.
    """

    key: str
    baseline: str | None
    candidate: str | None
    loosens: bool
    reason: str = ""


class DataTestResult(DocumentPart):
    """One data test on both sides; counts are rows that break the rule.

    A count is None if the query failed on that side, with the reason in ``problems``, by side. If it failed on the
    candidate, the outcome is ``not_evaluated``. dbt's own tests can also be ``warned``, ``removed``, or ``skipped``
    because a model that they read failed; ``added`` ones are new in the candidate.
    """

    name: str
    baseline_failures: int | None
    candidate_failures: int | None
    outcome: DataTestOutcome
    problems: dict[str, str] = Field(default_factory=dict)
    added: bool = False

    @property
    def is_worse(self) -> bool:
        """Whether more rows break the rule than on the baseline."""
        return (self.candidate_failures or 0) > (self.baseline_failures or 0)


DbtNodeState = Literal["changed", "added", "removed", "failed", "downstream", "input"]


class DbtNode(DocumentPart):
    """A node in the affected part of a dbt project's graph.

    ``kind`` is dbt's (``model``, ``seed``, ``source``, ``exposure``, ``metric``, …). ``state``: ``changed``, ``added`` or
    ``removed`` by the change, ``failed`` on the candidate, ``downstream`` of these, or a direct ``input`` of them.
    ``parents`` are the ids of other nodes in the part, ``output`` the name of its output, ``owner`` that of an exposure or
    metric.
    """

    name: str
    kind: str
    state: DbtNodeState
    parents: list[str] = Field(default_factory=list)
    output: str | None = None
    owner: str | None = None


class ContractChange(DocumentPart):
    """A change of an enforced contract of a model; ``column`` is None if it concerns the whole of it."""

    model: str
    column: str | None
    change: str
    is_breaking: bool


class DbtBuild(DocumentPart):
    """Models, snapshots and seeds of a dbt project built by the candidate's run.

    ``changed`` differ from the baseline's (None for a full build), ``unproven`` may read more than is known, ``built`` are
    these and their dependents, ``taken_over`` came from the baseline's run. ``reasons`` has the reason of each built one,
    ``moved`` the relation of each one with another schema or name, as baseline's and candidate's. ``order`` has the outputs
    in lineage order, the changed ones first, and ``code_changes`` the difference of each changed one's code. ``lineage`` is
    the affected part of the graph, by dbt's id. ``removed`` has what depended on each deleted node in the baseline.
    ``incremental`` are the built models of that kind: each was built from nothing.
    """

    changed: list[str] | None
    built: list[str]
    taken_over: list[str]
    unproven: list[str] = Field(default_factory=list)
    reasons: dict[str, str] = Field(default_factory=dict)
    moved: dict[str, list[str]] = Field(default_factory=dict)
    order: list[str] = Field(default_factory=list)
    code_changes: dict[str, str] = Field(default_factory=dict)
    lineage: dict[str, DbtNode] = Field(default_factory=dict)
    contracts: list[ContractChange] = Field(default_factory=list)
    removed: dict[str, list[str]] = Field(default_factory=dict)
    incremental: list[str] = Field(default_factory=list)


class GateResult(DocumentPart):
    """One rule of the gate, for one output or (None) all of them; ``found`` is compared with ``limit``.

    ``rule`` is a key of ``[gate]``, or ``total_change OUTPUT.COLUMN``. An output's own rule without a result, because
    the output was not compared, is ``changed_rows OUTPUT`` or ``schema OUTPUT``. ``accept`` is the TOML or flag to
    accept the result of a failed rule, if there is one. ``tolerance`` is the TOML that accepts the differences if they are
    rounding, where they look like it.
    """

    rule: str
    output: str | None
    limit: str
    held: bool
    found: str
    accept: str | None = None
    tolerance: str | None = None


class DiffDocument(Document):
    """The whole comparison. ``sample`` and ``environment`` are None for two plain tables.

    ``values`` is false if row values were redacted (``--no-values``). ``same_code``: both sides ran the same code in the
    same stack, so that no change could show. ``expected_columns`` has the outputs of SQL with a lineage, ``causes`` those
    explained by ``sandbox why``.
    """

    FORMAT_VERSION: ClassVar[int] = 2
    READABLE_VERSIONS: ClassVar[tuple[int, ...]] = (1, 2)
    NAME: ClassVar[str] = "the diff"

    format_version: int = 2
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
    separability: SeparabilityChecks | None = None
    dbt: DbtBuild | None = None
    artifacts: dict[str, ArtifactDiff] = Field(default_factory=dict)
    not_compared: list[NotCompared] = Field(default_factory=list)
    rule_changes: list[RuleChange] = Field(default_factory=list)
    expected_columns: dict[str, ExpectedColumns] = Field(default_factory=dict)
    causes: dict[str, OutputCause] = Field(default_factory=dict)
    values: bool = True
    same_code: bool = False

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of an earlier version as those of this one (see `upgrade_estimate`)."""
        outputs = fields.get("outputs")
        for output in outputs.values() if isinstance(outputs, dict) else ():
            if not isinstance(output, dict):
                continue
            if "rounding" in output:
                output["noise_tolerances"] = output.pop("rounding")
            if isinstance(output.get("estimate"), dict):
                output["estimate"] = upgrade_estimate(output["estimate"])
        return fields
