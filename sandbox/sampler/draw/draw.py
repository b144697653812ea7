"""Draw a sample: extraction, closure, checks, manifest and publication."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import masking
from sandbox.engine.duckdb.session import Session
from sandbox.engine.duckdb.table_functions import format_file_list
from sandbox.errors import SourceError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.sample import StoredFile
from sandbox.sampler.cluster import package, publication
from sandbox.sampler.cluster.writer import ClusterWriter
from sandbox.sampler.draw import sampled_rows, weights
from sandbox.sampler.draw.closure import Closure
from sandbox.sampler.draw.disk_space import check_disk_space
from sandbox.sampler.draw.extraction import Extraction
from sandbox.sampler.draw.integrity import IntegrityChecks
from sandbox.sampler.draw.journal import Journal
from sandbox.sampler.draw.manifest import DrawResult, build_manifest, compute_draw_digest
from sandbox.sampler.draw.parquet_writer import translate_disk_errors
from sandbox.sampler.plan.references import list_links
from sandbox.sampler.profile.compare import profile_sample
from sandbox.samples.catalog import (
    MANIFEST_FILE,
    PROFILE_FILE,
    load_sample,
    record_sample,
    resolve_sample_path,
)
from sandbox.samples.integrity import record_sample_files
from sandbox.samples.verify import verify_sample
from sandbox.sources.checks import personal_columns
from sandbox.sources.discover import find_changed_files
from sandbox.sources.open_table import attach_tables
from sandbox.sources.projection import project_tables
from sandbox.store.folder import (
    lock_path,
    open_resumable_folder,
    publish_folder,
    restrict_access,
    translate_os_errors,
    write_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.masking import Secret
    from sandbox.model import Progress, Sample
    from sandbox.sampler.plan.plan import SamplePlan
    from sandbox.store.remote import RemoteStore

MIN_PARALLEL_MEMORY = 2**28  # below which the comparison with production uses one thread


@dataclass(frozen=True, kw_only=True)
class DrawContext:
    """A draw in progress with its journal and the secret of its masks."""

    project: Project
    plan: SamplePlan
    journal: Journal
    secret: Secret | None
    progress: Progress


def draw_sample(
    project: Project,
    plan: SamplePlan,
    *,
    home: Path,
    threads: int | None = None,
    whole: bool = False,
    progress: Progress,
) -> Sample:
    """Draw a planned sample into the store and record it for the project.

    A stored sample of the same fingerprint is kept, or replaced if damaged. An interrupted or killed draw is resumed
    for the same request and source, and ends with the same bytes. A failed draw leaves nothing behind.

    Args:
        project: The project.
        plan: From `sandbox.sampler.plan.planner.plan_sample`.
        home: The folder shared by a user's projects.
        threads: Worker threads; None for all available processors.
        whole: Compare the sample with all of production, however large (see `sandbox.sampler.profile.compare`).
        progress: Shows the steps.

    Raises:
        ConfigError: A column seems personal and has no mask, or the secret of the masks cannot be used.
        SourceError: The source cannot be read, or changed during the draw.
        DataRuleError: A key of a large table repeats in the drawn rows.
        StoreError: The sample cannot be written.
    """
    with (
        contextlib.closing(plan.listing),
        _open_draw(project, plan, home, here=True, progress=progress) as begun,
    ):
        fingerprint = _extract_sample(begun, threads=threads, whole=whole).fingerprint
        target = resolve_sample_path(home, fingerprint)
        if target.exists() and verify_sample(target, progress):
            # The stored sample does not match its fingerprint, so replacing it loses nothing.
            with translate_os_errors(target):
                shutil.rmtree(target)
        restrict_access(begun.journal.sample)
        publish_folder(begun.journal.sample, target)
        sample, manifest = load_sample(home, fingerprint)
        record_sample_files(target, manifest)
    record_sample(project, sample.fingerprint)
    return sample


def draw_into_store(
    store: RemoteStore,
    project: Project,
    plan: SamplePlan,
    *,
    home: Path,
    threads: int | None = None,
    whole: bool = False,
    progress: Progress,
) -> SampleManifest:
    """Draw a planned sample into a store and record it there for its request.

    Spark's executors write the rows chosen here. A complete sample in the store is kept. A failed draw leaves nothing
    there; the next draw removes what a killed one left.

    Args:
        store: The store, with the same address for the executors.
        project: The project.
        plan: From `sandbox.sampler.plan.planner.plan_sample`, with tables read by a cluster.
        home: The folder shared by a user's projects, for keys of drawn rows during the draw.
        threads: As for `draw_sample`.
        whole: As for `draw_sample`.
        progress: Shows the steps.

    Raises:
        SandboxError: As for `draw_sample`; also if the executors cannot write it.
    """
    with (
        contextlib.closing(plan.listing),
        _open_draw(project, plan, home, here=False, progress=progress) as begun,
    ):
        publication.remove_abandoned_draws(store)
        cluster: Any = plan.listing.connection
        writer = ClusterWriter(cluster=cluster, store=store, masks=plan.masks, secret=begun.secret)
        with writer.run_workers():
            package.ship_package(cluster, store, writer.stage)
            manifest = _extract_sample(begun, threads=threads, whole=whole, cluster_writer=writer)
            publication.publish_sample(store, manifest, begun.journal.sample, writer.staged_paths, progress)
    return manifest


@contextlib.contextmanager
def _open_draw(
    project: Project, plan: SamplePlan, home: Path, *, here: bool, progress: Progress
) -> Iterator[DrawContext]:
    """Begin a draw in a folder that is removed at its end or kept for a resumption (see `draw_sample`)."""
    personal_columns.check_personal_columns(plan.personal_columns, project.settings)
    store = home / "samples"
    secret = None
    if masking.needs_secret(plan.masks):
        secret = masking.load_secret(home, root=project.root, progress=progress)
    with lock_path(store / plan.request), open_resumable_folder(store, plan.request[:32]) as folder:
        head = compute_draw_digest(plan, project.settings.sample.memory, secret)
        journal = Journal.open(folder, head if here else f"{head} afar")
        try:
            check_disk_space(plan, project.settings.sample.memory, store, written=journal.bytes, here=here)
            with translate_disk_errors(folder):
                yield DrawContext(project=project, plan=plan, journal=journal, secret=secret, progress=progress)
        except KeyboardInterrupt:
            _keep_unfinished_draw(journal, progress)
            raise
        except SourceError as error:
            if error.lost:
                _keep_unfinished_draw(journal, progress)
            raise


def _keep_unfinished_draw(journal: Journal, progress: Progress) -> None:
    """Print what an interrupted draw keeps for the next one, or remove an empty draw."""
    if journal.part_count:
        progress.print_message(
            f"{journal.part_count} parts are written and kept for a week; the next draw goes on from there"
        )
    else:
        shutil.rmtree(journal.folder, ignore_errors=True)


def _extract_sample(
    begun: DrawContext, *, threads: int | None, whole: bool, cluster_writer: ClusterWriter | None = None
) -> SampleManifest:
    project, plan, journal, progress = begun.project, begun.plan, begun.journal, begun.progress
    spill = journal.folder / "spill"
    with translate_os_errors(spill):
        spill.mkdir(mode=0o700)
    masked = any(mask.kind != "none" for masks in plan.masks.values() for mask in masks.values())
    memory = project.settings.sample.memory
    with Session(memory=memory, threads=threads, spill=spill, encrypted=masked) as session:
        session.execute("set preserve_insertion_order = true")
        attach_tables(session, plan.tables.values())
        every = list_links(plan.steps, plan.tables)
        try:
            extraction = _prepare_extraction(session, begun, cluster_writer)
            extraction.write_tables()
            Closure(extraction=extraction, links=every).follow()
            extraction.finish()
            with progress.step("checking keys and references"):
                checks = IntegrityChecks(extraction=extraction, links=every)
                checks.check_keys(project.settings)
                findings = checks.collect_findings()
        except SourceError as error:
            _check_unchanged(plan)  # a change explains more than its consequence
            if plan.listing.remote is not None and cluster_writer is None:
                hint = "check the network; the same command goes on where this one was"
                raise SourceError(error.message, hint=hint, lost=True) from error
            raise
        _check_unchanged(plan)
        sampled = _write_weights(extraction)
        profile = _write_profile(extraction, project, whole=whole)
        with progress.step("computing the content digests"):
            drawn = DrawResult(
                extraction=extraction,
                findings=findings,
                sample_sizes=sampled,
                profile=profile,
                secret=begun.secret,
            )
            manifest = build_manifest(drawn)
    write_file(journal.sample / MANIFEST_FILE, manifest.to_json_text())
    return manifest


def _prepare_extraction(session: Session, begun: DrawContext, cluster_writer: ClusterWriter | None) -> Extraction:
    project, plan = begun.project, begun.plan
    keys = {name: table.key or [] for name, table in project.settings.tables.items()}
    columns = sampled_rows.list_needed_columns(plan, keys)
    columns_of_tables = {name: table.columns for name, table in plan.tables.items()}
    extraction = Extraction(
        session=session,
        plan=plan,
        journal=begun.journal,
        masking=masking.Masking.register(session, plan.masks, begun.secret, columns_of_tables),
        source=project_tables(session, plan.tables, sampled_rows.add_frame_columns(plan, columns)),
        columns=columns,
        memory=project.settings.sample.memory,
        progress=begun.progress,
        cluster_writer=cluster_writer,
    )
    extraction.prepare()
    if begun.journal.records:
        parts = sum(len(items) for items in extraction.items.values())
        begun.progress.print_message(f"resuming: {len(begun.journal.records)} of {parts} parts are there")
    return extraction


def _check_unchanged(plan: SamplePlan) -> None:
    """Check that the source's files are unchanged since they were counted."""
    if moved := find_changed_files(plan.listing, plan.tables):
        raise SourceError(
            f"the source changed while it was read: {', '.join(moved[:5])}",
            hint="draw again when nothing writes to it",
        )


def _write_weights(extraction: Extraction) -> dict[str, list[int]]:
    """Write the weights of each unit table and return the sampled units of each stratum."""
    folder = extraction.journal.sample / "weights"
    return {
        name: weights.write_weights(
            extraction.session,
            unit,
            extraction.frames[name],
            extraction.sampled_rows[name],
            extraction.masking,
            folder / f"{name}.parquet",
        )
        for name, unit in extraction.plan.units.items()
    }


def _write_profile(extraction: Extraction, project: Project, *, whole: bool) -> StoredFile:
    """Write the comparison of the sample with production."""
    folder = extraction.journal.sample
    sample = {name: written.build_relation(extraction.session) for name, written in extraction.writers.items()}
    weighed = {
        name: _build_parquet_relation([folder / "weights" / f"{name}.parquet"]) for name in extraction.plan.units
    }
    extraction.session.execute("set preserve_insertion_order = false")  # takes less memory
    if project.settings.sample.memory < MIN_PARALLEL_MEMORY:
        extraction.session.execute("set threads = 1")  # each thread has its own read buffers
    profile = profile_sample(
        extraction.session,
        extraction.plan,
        sample,
        weighed,
        ranges={name: table.ranges for name, table in project.settings.tables.items()},
        whole=whole,
        progress=extraction.progress,
    )
    path = folder / PROFILE_FILE
    write_file(path, profile.to_json_text())
    return StoredFile(path=PROFILE_FILE, bytes=path.stat().st_size, sha256=hash_file(path))


def _build_parquet_relation(paths: list[Path]) -> str:
    return f"read_parquet({format_file_list(paths)}, hive_partitioning = false)"
