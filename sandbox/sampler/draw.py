"""Drawing a sample: extraction, checks, manifest, and its place in the store."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING

import sandbox
from sandbox.engine.duck import Session
from sandbox.errors import SourceError, StoreError
from sandbox.manifest.canonical import file_digest
from sandbox.manifest.sample import Column, File, SampleManifest, SourceFile, Stratum, Table, Unit
from sandbox.sampler import source, weights
from sandbox.sampler.checks import Checks, lean_source
from sandbox.sampler.contents import columns_and_content, fingerprint
from sandbox.sampler.extract import Extraction
from sandbox.sampler.kept import MANIFEST, folder_of, load, remember
from sandbox.sampler.part import space_reported
from sandbox.sampler.references import links
from sandbox.sampler.verify import verify
from sandbox.store.folder import locked, publish, reported, staging, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.model import Progress, Sample
    from sandbox.sampler.checks import Findings
    from sandbox.sampler.part import Written
    from sandbox.sampler.plan import Plan, Step, UnitPlan

SPARE = 1.1  # the guess of a sample's size may be a little low


def draw(
    project: Project, plan: Plan, *, home: Path, threads: int | None = None, progress: Progress
) -> Sample:
    """Draw the sample that a plan describes into the store, and remember it for the project.

    If the store has one of the same fingerprint, that one is given, or replaced if it is damaged. Nothing is left behind
    when it fails.

    Args:
        project: The project.
        plan: What `survey` gave.
        home: The folder that a user's projects share.
        threads: Worker threads; None takes the processors that this process may use.
        progress: Shows the steps.

    Raises:
        SourceError: The source cannot be read, or changed while it was read.
        RuleError: A key of a large table repeats in the drawn rows.
        StoreError: The sample cannot be written.
    """
    store = home / "samples"
    with locked(store / plan.request), staging(store, label="draw") as folder:
        _check_space(plan, store)
        with space_reported(folder):
            manifest = _extracted(project, plan, folder, threads, progress)
        write(folder / MANIFEST, manifest.text())
        target = folder_of(home, manifest.fingerprint)
        if target.exists() and verify(target, progress):
            # What is stored under this name is not what the name says; nothing can be lost by replacing it.
            with reported(target):
                shutil.rmtree(target)
        publish(folder, target)
    sample, _ = load(home, manifest.fingerprint)
    remember(project, sample.fingerprint)
    return sample


def _check_space(plan: Plan, store: Path) -> None:
    free = shutil.disk_usage(store).free
    needed = int(plan.expected_bytes * SPARE)
    if needed > free:
        raise StoreError(
            f"the sample takes about {needed / 1e9:.1f} GB, and {store} has {free / 1e9:.1f} GB left",
            hint="free some space, put the store elsewhere with SANDBOX_HOME, or lower the rate",
        )


def _extracted(
    project: Project, plan: Plan, folder: Path, threads: int | None, progress: Progress
) -> SampleManifest:
    spill = folder / "spill"
    spill.mkdir()
    memory = project.settings.sample.memory
    with Session(memory=memory, threads=threads, spill=spill) as session:
        session.execute("set preserve_insertion_order = true")
        sampled: dict[str, list[int]] = {}

        def weigh(unit: UnitPlan, relation: str) -> None:
            target = folder / "weights" / f"{unit.table}.parquet"
            columns = plan.tables[unit.table].columns
            sampled[unit.table] = weights.written(session, unit, columns, relation, target)

        every = links(plan.steps, plan.tables)
        extraction = Extraction(session=session, plan=plan, folder=folder, progress=progress)
        extraction.tables(weigh)
        extraction.closure(every)
        with progress.step("checking keys and references"):
            checks = Checks(
                session=session,
                plan=plan,
                source=lean_source(session, plan),
                written=extraction.written,
                links=every,
            )
            checks.keys(project.settings)
            findings = checks.findings()
        _check_unchanged(plan)
        with progress.step("computing the content digests"):
            tables = {
                step.table: _table(session, plan, step, extraction.written[step.table], findings)
                for step in plan.steps
            }
            manifest = _manifest(session, plan, folder, tables, sampled)
    spill.rmdir()
    return manifest


def _check_unchanged(plan: Plan) -> None:
    """Make sure that the files that were read are still those that were counted."""
    listing = source.listed(plan.listing.root)
    moved = [
        name for name, table in plan.tables.items() if listing.files.get(name) != (table.format, table.files)
    ]
    if moved:
        files = [file for name in moved for file in plan.tables[name].files]
        changed = source.changed(files, plan.listing.root) or [f"the files of {name}" for name in moved]
        raise SourceError(
            f"the source changed while it was read: {', '.join(changed[:5])}",
            hint="draw again when nothing writes to it",
        )


def _table(session: Session, plan: Plan, step: Step, written: Written, findings: Findings) -> Table:
    folder = written.folder.parent.parent
    files = [_file(folder, path, rows) for path, rows in sorted(written.parts.items())]
    columns, content = columns_and_content(session, sorted(written.parts))
    return Table(
        role=step.role,
        keep=step.keep,
        belongs_to=step.through.table if step.through else None,
        estimable=step.keep != "referenced",
        source_rows=plan.tables[step.table].rows,
        rows=written.rows,
        bytes=sum(file.bytes for file in files),
        columns=[Column(name=name, type=kind) for name, kind in columns.items()],
        files=files,
        content=content,
        outside_frame=findings.outside.get(step.table),
        references=findings.references[step.table],
    )


def _file(folder: Path, path: Path, rows: int) -> File:
    name = path.relative_to(folder).as_posix()
    return File(path=name, bytes=path.stat().st_size, sha256=file_digest(path), rows=rows)


def _manifest(
    session: Session, plan: Plan, folder: Path, tables: dict[str, Table], sampled: Mapping[str, list[int]]
) -> SampleManifest:
    paths = {name: folder / "weights" / f"{name}.parquet" for name in plan.units}
    units = {name: _unit(unit, sampled[name]) for name, unit in plan.units.items()}
    contents = {name: table.content for name, table in tables.items()}
    salts = plan.specification["units"]
    return SampleManifest(
        fingerprint=fingerprint(plan.specification, units, tables, contents),
        specification=dict(plan.specification),
        drawn=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        salt=next(salts[name]["salt"] for name in plan.units),
        units=units,
        tables=tables,
        not_sampled=list(plan.not_sampled),
        source={
            name: [SourceFile(path=one.name, bytes=one.bytes, modified=one.modified) for one in table.files]
            for name, table in plan.tables.items()
        },
        weights={name: _file(folder, path, sum(sampled[name])) for name, path in paths.items()},
        masking={},
        tool={"sandbox": sandbox.__version__, "duckdb": session.version},
    )


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
