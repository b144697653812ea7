"""Draw a sample into a remote store, written by Spark's executors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from sandbox.sampler.cluster import package, publication
from sandbox.sampler.cluster.writer import ClusterWriter
from sandbox.sampler.draw.context import open_draw
from sandbox.sampler.draw.execution import extract_sample

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Progress
    from sandbox.sampler.plan.plan import SamplePlan
    from sandbox.store.remote import RemoteStore


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
        open_draw(project, plan, home, here=False, progress=progress) as begun,
    ):
        publication.remove_abandoned_draws(store)
        cluster: Any = plan.listing.connection
        writer = ClusterWriter(cluster=cluster, store=store, masks=plan.masks, secret=begun.secret)
        with writer.run_workers(), package.ship_package(cluster, store, writer.stage):
            manifest = extract_sample(begun, threads=threads, whole=whole, cluster_writer=writer)
            publication.publish_sample(store, manifest, begun.journal.sample, writer.staged_paths, progress)
    return manifest
