"""What is recorded of a draw: its manifest, and the digest of everything that decides what it writes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sandbox
from sandbox import masking
from sandbox.engine.duckdb.session import VERSION
from sandbox.manifest.canonical_json import digest, file_digest
from sandbox.manifest.sample import Column, File, SampleManifest, Snapshot, SourceFile, Stratum, Table, Unit
from sandbox.samples.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.manifest.sample import Stored
    from sandbox.masking import Secret
    from sandbox.sampler.draw.extraction import Extraction
    from sandbox.sampler.draw.integrity import Findings
    from sandbox.sampler.draw.journal import Done
    from sandbox.sampler.plan.plan import Plan, Step, UnitPlan


def header(plan: Plan, memory: int, secret: Secret | None) -> str:
    """Give the digest (hex) of everything that decides what a draw writes, bytes and all: row groups depend on memory."""
    deciding = {
        "plan": {
            name: getattr(plan, name) for name in ("specification", "tables", "units", "steps", "masks")
        },
        "groups": [table.group_rows(memory) for table in plan.tables.values()],
        "secret": secret.id if secret else None,
        "tool": {"sandbox": sandbox.__version__, "duckdb": VERSION},
    }
    return digest(json.loads(json.dumps(deciding, default=_plain)))


def _plain(value: Any) -> Any:
    """Give JSON of what a plan is made of."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.compare}
    return str(value)  # paths, and the settings' own models, which show all their fields


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """All that the manifest is made of.

    Attributes:
        extraction: The draw, when all is written.
        findings: What the checks found.
        sampled: For each unit table n_h of each stratum.
        profile: The file that compares the sample with production.
        secret: The secret of the masks.
    """

    extraction: Extraction
    findings: Findings
    sampled: Mapping[str, list[int]]
    profile: Stored
    secret: Secret | None


def manifest(drawn: Drawn) -> SampleManifest:
    """Give the manifest of what was drawn; the content digests are computed here."""
    extraction = drawn.extraction
    plan, folder = extraction.plan, extraction.journal.sample
    tables = {step.table: _table(drawn, step) for step in plan.steps}
    units = {name: _unit(unit, drawn.sampled[name]) for name, unit in plan.units.items()}
    contents = {name: table.content for name, table in tables.items()}
    salts = plan.specification["units"]
    weights = {name: f"weights/{name}.parquet" for name in plan.units}
    return SampleManifest(
        fingerprint=fingerprint(plan.specification, units, tables, contents),
        specification=dict(plan.specification),
        drawn=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        salt=next(salts[name]["salt"] for name in plan.units),
        units=units,
        tables=tables,
        not_sampled=list(plan.not_sampled),
        source={
            name: [
                SourceFile(path=one.name, bytes=one.bytes, modified=one.modified, etag=one.etag or None)
                for one in table.files
            ]
            for name, table in plan.tables.items()
        },
        snapshots={
            name: Snapshot(kind=table.snapshot.kind, version=table.snapshot.version)
            for name, table in plan.tables.items()
            if table.snapshot is not None
        },
        weights={
            name: File(
                path=path,
                bytes=(folder / path).stat().st_size,
                sha256=file_digest(folder / path),
                rows=sum(drawn.sampled[name]),
            )
            for name, path in weights.items()
        },
        masking=masking.described(plan.masks),
        masking_key=drawn.secret.id if drawn.secret else None,
        profile=drawn.profile,
        tool={"sandbox": sandbox.__version__, "duckdb": VERSION},
    )


def _table(drawn: Drawn, step: Step) -> Table:
    extraction = drawn.extraction
    written = extraction.written[step.table]
    files = [_file(written.parts[path]) for path in sorted(written.parts)]
    columns, content = written.content(extraction.session)
    return Table(
        role=step.role,
        keep=step.keep,
        belongs_to=step.through.table if step.through else None,
        estimable=step.keep != "referenced",
        source_rows=extraction.plan.tables[step.table].rows,
        rows=written.rows,
        bytes=sum(file.bytes for file in files),
        columns=[Column(name=name, type=kind) for name, kind in columns.items()],
        files=files,
        content=content,
        outside_frame=drawn.findings.outside.get(step.table),
        references=drawn.findings.references[step.table],
    )


def _file(done: Done) -> File:
    return File(path=done.path, bytes=done.bytes, sha256=done.sha256, rows=done.rows)


def _unit(unit: UnitPlan, sampled: list[int]) -> Unit:
    return Unit(
        key=list(unit.key),
        null_keys=unit.null_keys,
        coefficients=list(unit.coefficients),
        strata=[
            Stratum(
                values=unit.values(stratum),
                population=stratum.population,
                probability=stratum.probability,
                threshold=stratum.threshold,
                sampled=count,
            )
            for stratum, count in zip(unit.strata, sampled, strict=True)
        ],
    )
