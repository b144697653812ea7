"""Build a draw's manifest, and the digest of everything that determines its output."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sandbox
from sandbox import masking
from sandbox.engine.duckdb.session import DUCKDB_VERSION
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.sample import (
    RowsFile,
    SampledColumn,
    SampledTable,
    SampleManifest,
    SnapshotRecord,
    SourceFileRecord,
    StratumRecord,
    UnitDrawRecord,
)
from sandbox.samples.contents import compute_assignment_digest
from sandbox.samples.fingerprint import compute_fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.manifest.sample import SizeRecord, StoredFile
    from sandbox.masking import Secret
    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.draw.integrity import IntegrityFindings
    from sandbox.sampler.draw.journal import PartRecord
    from sandbox.sampler.plan.plan import TableStep, UnitPlan


@dataclass(frozen=True, kw_only=True)
class DrawResult:
    """Contents of the manifest.

    Attributes:
        extraction: The finished draw.
        findings: Findings of the checks.
        sample_sizes: Unit table -> n_h of each stratum.
        sizes: Unit table -> the recorded sizes of its units.
        profile: The file with the comparison with production.
        secret: The secret of the masks.
    """

    extraction: Extraction
    findings: IntegrityFindings
    sample_sizes: Mapping[str, list[int]]
    sizes: Mapping[str, Sequence[SizeRecord]]
    profile: StoredFile
    secret: Secret | None


def build_manifest(drawn: DrawResult) -> SampleManifest:
    """Build the manifest of a draw, computing the content digests."""
    extraction = drawn.extraction
    plan, folder = extraction.plan, extraction.journal.sample
    tables = {step.table: _describe_table(drawn, step) for step in plan.steps}
    units = {name: _describe_unit(drawn, name, unit, tables[name]) for name, unit in plan.units.items()}
    contents = {name: table.content for name, table in tables.items()}
    sizes = {name: list(records) for name, records in drawn.sizes.items()}
    salts = plan.specification["units"]
    weights = {name: f"weights/{name}.parquet" for name in plan.units}
    return SampleManifest(
        fingerprint=compute_fingerprint(plan.specification, units, tables, contents, sizes),
        specification=dict(plan.specification),
        drawn=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        salt=next(salts[name]["salt"] for name in plan.units),
        units=units,
        tables=tables,
        not_sampled=list(plan.not_sampled),
        source={
            name: [
                SourceFileRecord(path=file.name, bytes=file.bytes, modified=file.modified, etag=file.etag or None)
                for file in table.files
            ]
            for name, table in plan.tables.items()
        },
        snapshots={
            name: SnapshotRecord(kind=table.snapshot.kind, version=table.snapshot.version, role=table.snapshot.role)
            for name, table in plan.tables.items()
            if table.snapshot is not None
        },
        weights={
            name: RowsFile(
                path=path,
                bytes=(folder / path).stat().st_size,
                sha256=hash_file(folder / path),
                rows=sum(drawn.sample_sizes[name]),
            )
            for name, path in weights.items()
        },
        sizes=sizes,
        masking=masking.describe_masks(plan.masks),
        masking_key=drawn.secret.id if drawn.secret else None,
        profile=drawn.profile,
        tool={"sandbox": sandbox.__version__, "duckdb": DUCKDB_VERSION},
    )


def _describe_table(drawn: DrawResult, step: TableStep) -> SampledTable:
    extraction = drawn.extraction
    written = extraction.writers[step.table]
    parts = written.parts
    files = [_describe_file(parts.written[path]) for path in sorted(parts.written)]
    columns, content = written.describe_content()
    return SampledTable(
        role=step.role,
        keep=step.keep,
        belongs_to=step.through.table if step.through else None,
        estimable=step.keep != "referenced",
        source_rows=extraction.plan.tables[step.table].rows,
        rows=written.rows,
        bytes=sum(file.bytes for file in files),
        columns=[SampledColumn(name=name, type=kind) for name, kind in columns.items()],
        files=files,
        content=content,
        outside_frame=drawn.findings.outside_frame.get(step.table),
        references=drawn.findings.references[step.table],
        frame=parts.table.pandas.describe_unmasked(parts.masked) if parts.table.pandas is not None else None,
        unique=drawn.findings.unique.get(step.table, []),
    )


def _describe_file(done: PartRecord) -> RowsFile:
    return RowsFile(path=done.path, bytes=done.bytes, sha256=done.sha256, rows=done.rows)


def _describe_unit(drawn: DrawResult, name: str, unit: UnitPlan, table: SampledTable) -> UnitDrawRecord:
    record = UnitDrawRecord(
        key=list(unit.key),
        null_keys=unit.null_keys,
        coefficients=list(unit.coefficients),
        strata=[
            StratumRecord(
                values=unit.describe_stratum(stratum),
                population=stratum.population,
                probability=stratum.probability,
                threshold=stratum.threshold,
                sampled=count,
            )
            for stratum, count in zip(unit.strata, drawn.sample_sizes[name], strict=True)
        ],
    )
    types = {column.name: column.type for column in table.columns}
    sizes = drawn.sizes.get(name, ())
    if not sizes and not record.list_undecided_columns(types):
        return record
    extraction = drawn.extraction
    weights = extraction.journal.sample / "weights" / f"{name}.parquet"
    digest = compute_assignment_digest(extraction.session, weights, record.key, types, sizes)
    return record.model_copy(update={"assignment": digest})
