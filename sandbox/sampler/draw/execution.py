"""Draw the rows of a plan into a journal's folder: extraction, closure, checks, weights, comparison and manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session
from sandbox.errors import SourceError
from sandbox.sampler.draw.closure import Closure
from sandbox.sampler.draw.extraction import prepare_extraction
from sandbox.sampler.draw.integrity import IntegrityChecks
from sandbox.sampler.draw.manifest import DrawResult, build_manifest
from sandbox.sampler.draw.profile_file import write_profile
from sandbox.sampler.draw.weights import write_weights
from sandbox.sampler.plan.references import list_links
from sandbox.sampler.sizes.measured_units import measure_units
from sandbox.samples.catalog import MANIFEST_FILE
from sandbox.sources.discover import check_unchanged
from sandbox.sources.open_table import attach_tables
from sandbox.store.folder import translate_os_errors, write_file

if TYPE_CHECKING:
    from sandbox.manifest.sample import SampleManifest
    from sandbox.sampler.cluster.writer import ClusterWriter
    from sandbox.sampler.draw.context import DrawContext


CONTINUE_HINT = "the same command goes on where this one was"


def extract_sample(
    begun: DrawContext, *, threads: int | None, whole: bool, cluster_writer: ClusterWriter | None = None
) -> SampleManifest:
    """Draw the rows of a plan, check them and write the manifest.

    Args:
        begun: The draw.
        threads: Worker threads; None for all available processors.
        whole: Compare the sample with all of production, however large.
        cluster_writer: Writes parts on a cluster's executors; None to write them here.

    Raises:
        SandboxError: See `sandbox.sampler.draw.draw.draw_sample`.
    """
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
            extraction = prepare_extraction(session, begun, cluster_writer)
            extraction.write_tables()
            Closure(extraction=extraction, links=every).follow()
            extraction.finish()
            with progress.step("checking keys and references"):
                checks = IntegrityChecks(extraction=extraction, links=every)
                checks.check_keys(project.settings)
                findings = checks.collect_findings()
        except SourceError as error:
            if not error.lost:
                check_unchanged(plan.listing, plan.tables)  # a change explains more than its consequence
                raise
            if cluster_writer is None:
                raise SourceError(error.message, hint=f"{error.hint}; {CONTINUE_HINT}", lost=True) from error
            raise SourceError(error.message, hint=error.hint) from error
        check_unchanged(plan.listing, plan.tables)
        drawn_rows = {name: rows.drawn_relation for name, rows in extraction.sampled_rows.items()}
        measured = measure_units(
            session, plan, extraction.frames, drawn_rows, project.settings, whole=whole, progress=progress
        )
        sampled = write_weights(extraction, measured)
        profile = write_profile(extraction, project, whole=whole)
        with progress.step("computing the content digests"):
            drawn = DrawResult(
                extraction=extraction,
                findings=findings,
                sample_sizes=sampled,
                sizes={name: units.records for name, units in measured.items()},
                profile=profile,
                secret=begun.secret,
            )
            manifest = build_manifest(drawn)
    write_file(journal.sample / MANIFEST_FILE, manifest.to_json_text())
    return manifest
