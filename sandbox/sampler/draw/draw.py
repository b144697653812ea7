"""Drawing a sample: extraction, closure, checks, manifest, and its place in the store."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import masking
from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import file_list
from sandbox.errors import SourceError
from sandbox.manifest.canonical_json import file_digest
from sandbox.manifest.sample import Stored
from sandbox.sampler.cluster import package, publication
from sandbox.sampler.cluster.writer import Afar
from sandbox.sampler.draw import sampled_rows, weights
from sandbox.sampler.draw.closure import Closure
from sandbox.sampler.draw.disk_space import check_space
from sandbox.sampler.draw.extraction import Extraction
from sandbox.sampler.draw.integrity import Checks
from sandbox.sampler.draw.journal import Journal
from sandbox.sampler.draw.manifest import Drawn, header, manifest
from sandbox.sampler.draw.parquet_writer import space_reported
from sandbox.sampler.plan.references import links
from sandbox.sampler.profile.compare import profiled
from sandbox.samples.catalog import MANIFEST, PROFILE, folder_of, load, remember
from sandbox.samples.verify import verify
from sandbox.sources.attach import attach
from sandbox.sources.checks import personal_columns
from sandbox.sources.discover import changed
from sandbox.sources.projection import lean_source
from sandbox.store.folder import locked, publish, readable, reported, unfinished, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.masking import Secret
    from sandbox.model import Progress, Sample
    from sandbox.sampler.plan.plan import Plan
    from sandbox.store.remote import Remote

SMALL = 2**28  # bytes of memory below which comparing the sample with production works on one thread


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A draw that has begun: of what, for whom, where its journal lies, and the secret of its masks."""

    project: Project
    plan: Plan
    journal: Journal
    secret: Secret | None
    progress: Progress


def draw(
    project: Project,
    plan: Plan,
    *,
    home: Path,
    threads: int | None = None,
    whole: bool = False,
    progress: Progress,
) -> Sample:
    """Draw the sample that a plan describes into the store, and remember it for the project.

    If the store has one of the same fingerprint, that one is given, or replaced if it is damaged. A draw that was killed
    or interrupted goes on where it was, if the same is asked for of the same source; it ends with the same bytes. Nothing
    is left behind when it fails.

    Args:
        project: The project.
        plan: What `survey` gave.
        home: The folder that a user's projects share.
        threads: Worker threads; None takes the processors that this process may use.
        whole: Compare the sample with all of production, however large (see `sandbox.sampler.profile.compare`).
        progress: Shows the steps.

    Raises:
        ConfigError: A column looks personal and has no rule, or the secret of the masks cannot be used.
        SourceError: The source cannot be read, or changed while it was read.
        RuleError: A key of a large table repeats in the drawn rows.
        StoreError: The sample cannot be written.
    """
    with (
        contextlib.closing(plan.listing),
        _begun(project, plan, home, here=True, progress=progress) as begun,
    ):
        found = _extracted(begun, threads=threads, whole=whole)
        target = folder_of(home, found.fingerprint)
        if target.exists() and verify(target, progress):
            # What is stored under this name is not what the name says; nothing can be lost by replacing it.
            with reported(target):
                shutil.rmtree(target)
        readable(begun.journal.sample)
        publish(begun.journal.sample, target)
    sample, _ = load(home, found.fingerprint)
    remember(project, sample.fingerprint)
    return sample


def draw_into(
    store: Remote,
    project: Project,
    plan: Plan,
    *,
    home: Path,
    threads: int | None = None,
    whole: bool = False,
    progress: Progress,
) -> SampleManifest:
    """Draw the sample that a plan describes into a store, and let the store name it for what was asked for.

    The workers of the cluster that reads the source write the rows; here is what decides about them. If the store has the
    sample whole, that one stays. Nothing is left there when it fails, and what a killed draw has left goes with the next.

    Args:
        store: Where; the workers reach it by the same address.
        project: The project.
        plan: What `survey` gave; its tables are read by a cluster.
        home: The folder that a user's projects share, where keys of drawn rows wait while it goes on.
        threads: As for `draw`.
        whole: As for `draw`.
        progress: Shows the steps.

    Raises:
        SandboxError: As for `draw`; also where the workers cannot carry it out.
    """
    with (
        contextlib.closing(plan.listing),
        _begun(project, plan, home, here=False, progress=progress) as begun,
    ):
        publication.sweep(store)
        cluster: Any = plan.listing.moment
        afar = Afar(cluster=cluster, store=store, masks=plan.masks, secret=begun.secret)
        with afar.working():
            package.shipped(cluster, store, afar.stage)
            found = _extracted(begun, threads=threads, whole=whole, afar=afar)
            publication.published(store, found, begun.journal.sample, afar.staged, progress)
    return found


@contextlib.contextmanager
def _begun(project: Project, plan: Plan, home: Path, *, here: bool, progress: Progress) -> Iterator[Begun]:
    """Begin a draw, in a folder that goes with its end, or waits for the next (see `draw`)."""
    personal_columns.refuse(plan.suspects, project.settings)
    store = home / "samples"
    secret = None
    if masking.needs_secret(plan.masks):
        secret = masking.secret(home, root=project.root, progress=progress)
    with locked(store / plan.request), unfinished(store, plan.request[:32]) as folder:
        head = header(plan, project.settings.sample.memory, secret)
        journal = Journal.opened(folder, head if here else f"{head} afar")
        try:
            check_space(plan, project.settings.sample.memory, store, written=journal.bytes, here=here)
            with space_reported(folder):
                yield Begun(project=project, plan=plan, journal=journal, secret=secret, progress=progress)
        except KeyboardInterrupt:
            _keep(journal, progress)
            raise
        except SourceError as error:
            if error.lost:
                _keep(journal, progress)
            raise


def _keep(journal: Journal, progress: Progress) -> None:
    """Say what an interrupted draw leaves for the next one, or leave nothing."""
    if journal.parts:
        progress.say(
            f"{journal.parts} parts are written and kept for a week; the next draw goes on from there"
        )
    else:
        shutil.rmtree(journal.folder, ignore_errors=True)


def _extracted(begun: Begun, *, threads: int | None, whole: bool, afar: Afar | None = None) -> SampleManifest:
    project, plan, journal, progress = begun.project, begun.plan, begun.journal, begun.progress
    spill = journal.folder / "spill"
    with reported(spill):
        spill.mkdir(mode=0o700)
    masked = any(mask.kind != "none" for masks in plan.masks.values() for mask in masks.values())
    memory = project.settings.sample.memory
    with Session(memory=memory, threads=threads, spill=spill, encrypted=masked) as session:
        session.execute("set preserve_insertion_order = true")
        attach(session, plan.tables.values())
        every = links(plan.steps, plan.tables)
        try:
            extraction = _prepared(session, begun, afar)
            extraction.tables()
            Closure(extraction=extraction, links=every).follow()
            extraction.finish()
            with progress.step("checking keys and references"):
                checks = Checks(extraction=extraction, links=every)
                checks.keys(project.settings)
                findings = checks.findings()
        except SourceError as error:
            _check_unchanged(plan)  # which says more than what came of it
            if plan.listing.remote is not None and afar is None:
                hint = "check the network; the same command goes on where this one was"
                raise SourceError(error.message, hint=hint, lost=True) from error
            raise
        _check_unchanged(plan)
        sampled = _weighed(extraction)
        profile = _profiled(extraction, project, whole=whole)
        with progress.step("computing the content digests"):
            drawn = Drawn(
                extraction=extraction,
                findings=findings,
                sampled=sampled,
                profile=profile,
                secret=begun.secret,
            )
            found = manifest(drawn)
    write(journal.sample / MANIFEST, found.text())
    return found


def _prepared(session: Session, begun: Begun, afar: Afar | None) -> Extraction:
    project, plan = begun.project, begun.plan
    keys = {name: table.key or [] for name, table in project.settings.tables.items()}
    columns = sampled_rows.needed_columns(plan, keys)
    columns_of_tables = {name: table.columns for name, table in plan.tables.items()}
    extraction = Extraction(
        session=session,
        plan=plan,
        journal=begun.journal,
        masking=masking.Masking.of(session, plan.masks, begun.secret, columns_of_tables),
        source=lean_source(session, plan.tables, sampled_rows.deciding_columns(plan, columns)),
        columns=columns,
        memory=project.settings.sample.memory,
        progress=begun.progress,
        afar=afar,
    )
    extraction.prepare()
    if begun.journal.done:
        parts = sum(len(items) for items in extraction.items.values())
        begun.progress.say(f"resuming: {len(begun.journal.done)} of {parts} parts are there")
    return extraction


def _check_unchanged(plan: Plan) -> None:
    """Make sure that the files that were read are still those that were counted."""
    if moved := changed(plan.listing, plan.tables):
        raise SourceError(
            f"the source changed while it was read: {', '.join(moved[:5])}",
            hint="draw again when nothing writes to it",
        )


def _weighed(extraction: Extraction) -> dict[str, list[int]]:
    """Write the weights of each unit table and give the sampled units of each stratum."""
    folder = extraction.journal.sample / "weights"
    return {
        name: weights.written(
            extraction.session,
            unit,
            extraction.frames[name],
            extraction.known[name],
            extraction.masking,
            folder / f"{name}.parquet",
        )
        for name, unit in extraction.plan.units.items()
    }


def _profiled(extraction: Extraction, project: Project, *, whole: bool) -> Stored:
    """Write how alike the sample and production are."""
    folder = extraction.journal.sample
    sample = {name: written.relation(extraction.session) for name, written in extraction.written.items()}
    weighed = {name: _reading([folder / "weights" / f"{name}.parquet"]) for name in extraction.plan.units}
    extraction.session.execute("set preserve_insertion_order = false")  # which takes less memory
    if project.settings.sample.memory < SMALL:
        extraction.session.execute("set threads = 1")  # each thread reads with buffers of its own
    found = profiled(
        extraction.session,
        extraction.plan,
        sample,
        weighed,
        ranges={name: table.ranges for name, table in project.settings.tables.items()},
        whole=whole,
        progress=extraction.progress,
    )
    path = folder / PROFILE
    write(path, found.text())
    return Stored(path=PROFILE, bytes=path.stat().st_size, sha256=file_digest(path))


def _reading(paths: list[Path]) -> str:
    return f"read_parquet({file_list(paths)}, hive_partitioning = false)"
