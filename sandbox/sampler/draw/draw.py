"""Drawing a sample: extraction, closure, checks, manifest, and its place in the store."""

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
from sandbox.samples.verify import verify_sample
from sandbox.sources.attach import attach_tables
from sandbox.sources.checks import personal_columns
from sandbox.sources.discover import find_changed_files
from sandbox.sources.projection import project_tables
from sandbox.store.folder import (
    lock_path,
    make_readable,
    open_resumable_folder,
    publish_folder,
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

MIN_PARALLEL_MEMORY = 2**28  # bytes of memory below which comparing the sample with production works on one thread


@dataclass(frozen=True, kw_only=True)
class DrawContext:
    """A draw that has begun: of what, for whom, where its journal lies, and the secret of its masks."""

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
        _open_draw(project, plan, home, here=True, progress=progress) as begun,
    ):
        found = _extract_sample(begun, threads=threads, whole=whole)
        target = resolve_sample_path(home, found.fingerprint)
        if target.exists() and verify_sample(target, progress):
            # What is stored under this name is not what the name says; nothing can be lost by replacing it.
            with translate_os_errors(target):
                shutil.rmtree(target)
        make_readable(begun.journal.sample)
        publish_folder(begun.journal.sample, target)
    sample, _ = load_sample(home, found.fingerprint)
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
    """Draw the sample that a plan describes into a store, and let the store name it for what was asked for.

    The workers of the cluster that reads the source write the rows; here is what decides about them. If the store has the
    sample whole, that one stays. Nothing is left there when it fails, and what a killed draw has left goes with the next.

    Args:
        store: Where; the workers reach it by the same address.
        project: The project.
        plan: What `survey` gave; its tables are read by a cluster.
        home: The folder that a user's projects share, where keys of drawn rows wait while it goes on.
        threads: As for `draw_sample`.
        whole: As for `draw_sample`.
        progress: Shows the steps.

    Raises:
        SandboxError: As for `draw_sample`; also where the workers cannot carry it out.
    """
    with (
        contextlib.closing(plan.listing),
        _open_draw(project, plan, home, here=False, progress=progress) as begun,
    ):
        publication.remove_abandoned_draws(store)
        cluster: Any = plan.listing.connection
        afar = ClusterWriter(cluster=cluster, store=store, masks=plan.masks, secret=begun.secret)
        with afar.run_workers():
            package.ship_package(cluster, store, afar.stage)
            found = _extract_sample(begun, threads=threads, whole=whole, afar=afar)
            publication.publish_sample(store, found, begun.journal.sample, afar.staged_paths, progress)
    return found


@contextlib.contextmanager
def _open_draw(
    project: Project, plan: SamplePlan, home: Path, *, here: bool, progress: Progress
) -> Iterator[DrawContext]:
    """Begin a draw, in a folder that goes with its end, or waits for the next (see `draw_sample`)."""
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
    """Say what an interrupted draw leaves for the next one, or leave nothing."""
    if journal.part_count:
        progress.print_message(
            f"{journal.part_count} parts are written and kept for a week; the next draw goes on from there"
        )
    else:
        shutil.rmtree(journal.folder, ignore_errors=True)


def _extract_sample(
    begun: DrawContext, *, threads: int | None, whole: bool, afar: ClusterWriter | None = None
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
            extraction = _prepare_extraction(session, begun, afar)
            extraction.write_tables()
            Closure(extraction=extraction, links=every).follow()
            extraction.finish()
            with progress.step("checking keys and references"):
                checks = IntegrityChecks(extraction=extraction, links=every)
                checks.check_keys(project.settings)
                findings = checks.collect_findings()
        except SourceError as error:
            _check_unchanged(plan)  # which says more than what came of it
            if plan.listing.remote is not None and afar is None:
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
            found = build_manifest(drawn)
    write_file(journal.sample / MANIFEST_FILE, found.to_json_text())
    return found


def _prepare_extraction(session: Session, begun: DrawContext, afar: ClusterWriter | None) -> Extraction:
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
        cluster_writer=afar,
    )
    extraction.prepare()
    if begun.journal.records:
        parts = sum(len(items) for items in extraction.items.values())
        begun.progress.print_message(f"resuming: {len(begun.journal.records)} of {parts} parts are there")
    return extraction


def _check_unchanged(plan: SamplePlan) -> None:
    """Make sure that the files that were read are still those that were counted."""
    if moved := find_changed_files(plan.listing, plan.tables):
        raise SourceError(
            f"the source changed while it was read: {', '.join(moved[:5])}",
            hint="draw again when nothing writes to it",
        )


def _write_weights(extraction: Extraction) -> dict[str, list[int]]:
    """Write the weights of each unit table and give the sampled units of each stratum."""
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
    """Write how alike the sample and production are."""
    folder = extraction.journal.sample
    sample = {name: written.build_relation(extraction.session) for name, written in extraction.writers.items()}
    weighed = {
        name: _build_parquet_relation([folder / "weights" / f"{name}.parquet"]) for name in extraction.plan.units
    }
    extraction.session.execute("set preserve_insertion_order = false")  # which takes less memory
    if project.settings.sample.memory < MIN_PARALLEL_MEMORY:
        extraction.session.execute("set threads = 1")  # each thread reads with buffers of its own
    found = profile_sample(
        extraction.session,
        extraction.plan,
        sample,
        weighed,
        ranges={name: table.ranges for name, table in project.settings.tables.items()},
        whole=whole,
        progress=extraction.progress,
    )
    path = folder / PROFILE_FILE
    write_file(path, found.to_json_text())
    return StoredFile(path=PROFILE_FILE, bytes=path.stat().st_size, sha256=hash_file(path))


def _build_parquet_relation(paths: list[Path]) -> str:
    return f"read_parquet({format_file_list(paths)}, hive_partitioning = false)"
