"""``manifest.json`` of a sample, its content and its draw; and ``checked/<folder>.json``, its files at the last comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, JsonValue

from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.document import Document, DocumentPart

if TYPE_CHECKING:
    from collections.abc import Collection

SIZE_PREFIX = "size of "
"""How the weights' columns of sizes begin."""

HALF_FAMILY = slice(32, None)
"""The digits of a half-sample's fingerprint that all half-samples of one sample share."""


class StratumRecord(DocumentPart):
    """One stratum of one unit table.

    ``values`` maps a strata column to its value; a merged group of rare values is ``{"rare_below": n}``, NULL is null.
    ``probability`` is ``threshold / P``.
    """

    values: dict[str, JsonValue]
    population: int
    probability: float
    threshold: int
    sampled: int


class UnitDrawRecord(DocumentPart):
    """The draw of one unit table.

    ``assignment`` is the content digest of the sampled units' keys, strata and recorded sizes. It is set if the strata do
    not follow from the units' rows, or sizes are recorded.
    """

    key: list[str]
    null_keys: int
    coefficients: list[int]
    strata: list[StratumRecord]
    assignment: str | None = None

    def list_undecided_columns(self, columns: Collection[str]) -> list[str]:
        """Return the strata columns not decided by a unit's row.

        These are columns of other tables, sizes, and columns in which cells were merged.

        Args:
            columns: The columns of the unit table.
        """
        labels = [(name, label) for stratum in self.strata for name, label in stratum.values.items()]
        merged = {name for name, label in labels if isinstance(label, dict) and "any_of" in label}
        return [name for name in dict(labels) if name in merged or name not in columns]


class SizeRecord(DocumentPart):
    """How large the population's units are in one respect, without their keys.

    x is a unit's total of ``column`` over its rows in ``table``, or its number of rows there if ``column`` is None.
    ``moments`` has Σx, Σ|x|, Σx², Σ|x|³ and Σx⁴ of each stratum, in their order. ``unseen`` are the ten largest |x| of
    units that were not drawn, to three significant digits. The sampled units' |x| are in the weights, as `name`.
    """

    table: str
    column: str | None
    moments: list[list[float]]
    unseen: list[float]

    @property
    def name(self) -> str:
        """The column of the weights with |x| of the sampled units.

        >>> SizeRecord(table="items", column="price", moments=[], unseen=[]).name
        'size of items.price'
        """
        return format_size_name(self.table, self.column)


def format_size_name(table: str, column: str | None) -> str:
    """Return the name of the weights' column with the units' totals of a column, or their numbers of rows."""
    return f"{SIZE_PREFIX}{table}" if column is None else f"{SIZE_PREFIX}{table}.{column}"


class StoredFile(DocumentPart):
    """A file of the sample; ``path`` is relative to the sample's folder, with forward slashes."""

    path: str
    bytes: int
    sha256: str


class RowsFile(StoredFile):
    rows: int


class SampledColumn(DocumentPart):
    """A column; ``type`` is its DuckDB type (``BIGINT``, ``TIMESTAMP``, ``STRUCT(a INTEGER)``)."""

    name: str
    type: str


class ReferenceSummary(DocumentPart):
    """Summary of one reference in the source.

    ``dangling`` counts rows that refer to a missing row; ``examples`` are up to five such keys, as text. ``checked``
    says whether the whole source was checked or only the drawn rows.
    """

    columns: list[str]
    table: str
    key: list[str]
    dangling: int
    nulls: int
    examples: list[list[str | None]]
    checked: str
    holds_in_sample: bool


class SampledTable(DocumentPart):
    """One table of the sample.

    ``role``: ``unit``, ``child`` (belongs to a unit), or ``lookup`` (referenced). ``estimable`` is false if rows have
    no usable inclusion probability. ``outside_frame`` counts the source's rows without a unit; None if they were not
    counted. ``frame`` has the metadata of the source's Parquet that the sample keeps: pandas' index and dtypes, metadata of
    fields, extension types; None without any.
    ``unique`` are columns without a repeated value in the whole source, apart from NULL.
    """

    role: str
    keep: str | None
    belongs_to: str | None
    estimable: bool
    source_rows: int
    rows: int
    bytes: int
    columns: list[SampledColumn]
    files: list[RowsFile]
    content: str
    outside_frame: int | None
    references: list[ReferenceSummary]
    frame: dict[str, JsonValue] | None = None
    unique: list[str] = Field(default_factory=list)


class SourceFileRecord(DocumentPart):
    """A file of the source at reading; ``modified`` in nanoseconds since 1970 UTC, ``etag`` if a bucket has one."""

    path: str
    bytes: int
    modified: int
    etag: str | None = None


class SnapshotRecord(DocumentPart):
    """The snapshot of a table that was read.

    It is the version of a Delta table, the id of an Iceberg snapshot, or ``pg_current_snapshot()`` of Postgres. ``role``
    is the role that saw these rows, if row-level security hides others from it.
    """

    kind: str
    version: int | str
    role: str | None = None


class SampleManifest(Document):
    """The manifest; the fingerprint is the SHA-256 of the canonical JSON of specification and content digests.

    ``sizes`` are by unit table. In version 2 they are outside the fingerprint, and version 1 has none.
    """

    FORMAT_VERSION: ClassVar[int] = 3
    READABLE_VERSIONS: ClassVar[tuple[int, ...]] = (1, 2, 3)
    NAME: ClassVar[str] = "the sample's manifest"

    format_version: int = 3
    fingerprint: str
    specification: dict[str, Any]
    drawn: str
    salt: str
    units: dict[str, UnitDrawRecord]
    tables: dict[str, SampledTable]
    not_sampled: list[str]
    source: dict[str, list[SourceFileRecord]]
    snapshots: dict[str, SnapshotRecord] = Field(default_factory=dict)
    weights: dict[str, RowsFile]
    sizes: dict[str, list[SizeRecord]] = Field(default_factory=dict)
    masking: dict[str, dict[str, str]]
    masking_key: str | None = None
    profile: StoredFile | None = None
    tool: dict[str, str]

    sizes_are_proven: bool = Field(default=True, exclude=True)

    @property
    def proven_sizes(self) -> dict[str, list[SizeRecord]]:
        """The sizes that the fingerprint covers: all, or none of an earlier version's."""
        return self.sizes if self.sizes_are_proven else {}

    @classmethod
    def upgrade(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of an earlier version, whose fingerprint covers no sizes."""
        return fields | {"sizes_are_proven": False}


class CheckedFile(DocumentPart):
    """A file: its SHA-256, and size, times of modification and change (ns) and inode at the time."""

    sha256: str
    stats: tuple[int, int, int, int]


class CheckedFiles(Document):
    """Every file of a folder, by its path relative to the folder with forward slashes."""

    NAME: ClassVar[str] = "the record of checked files"
    HAS_SEAL: ClassVar[bool] = True

    folder: str
    files: dict[str, CheckedFile]


def compute_half_fingerprint(fingerprint: str) -> str:
    """Return the fingerprint of a sample's first half-sample (see `sandbox.sampler.half_sample.selection`)."""
    return hash_json({"half of": fingerprint, "by": 1})


def compute_enlarged_fingerprint(fingerprint: str, choices: dict[str, Any]) -> str:
    """Return the fingerprint of a sample's enlarged half-sample, written with some choices."""
    own = hash_json({"enlarged half of": fingerprint, "by": 2, **choices})
    return own[: HALF_FAMILY.start] + compute_half_fingerprint(fingerprint)[HALF_FAMILY]
