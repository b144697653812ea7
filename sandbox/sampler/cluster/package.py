"""The code that workers of a cluster carry out: this package itself, as a zip file, so that it is the same as here."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import re
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import sandbox
from sandbox.engine.duckdb.session import DUCKDB_VERSION
from sandbox.engine.spark import executor_tasks
from sandbox.errors import SourceError, StoreError
from sandbox.sampler.cluster import worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.engine.spark.cluster import SparkCluster
    from sandbox.store.remote import RemoteStore


def ship_package(cluster: SparkCluster, store: RemoteStore, stage: str) -> None:
    """Let the workers of a cluster have the code, and make sure that one can carry it out and write to the store.

    Args:
        cluster: The cluster.
        store: The store.
        stage: Where in it parts will be written.

    Raises:
        SourceError: Something is missing there.
        StoreError: It writes elsewhere, or what it writes is not for us to move.
    """
    content = _build_archive(Path(sandbox.__file__).parent)
    with tempfile.TemporaryDirectory(prefix="sandbox-code-") as folder:
        file = Path(folder) / f"sandbox-{hashlib.sha256(content).hexdigest()[:16]}.zip"
        file.write_bytes(content)
        cluster.upload_package(str(file))
        with translate_worker_errors():
            executor_tasks.check_executor(
                cluster,
                functools.partial(worker.check_worker, DUCKDB_VERSION, store.address, f"{stage}/tried"),
            )
    if "tried" not in store.list_sizes(stage):
        raise StoreError(
            f"what a worker of Spark writes to {store.name} is not seen from here",
            hint="the store has to be one folder or bucket, under one name, for all workers and for this machine",
        )
    store.move(f"{stage}/tried", f"{stage}/moved")


@contextlib.contextmanager
def translate_worker_errors() -> Iterator[None]:
    """Turn our own errors that workers raised, which Spark wraps, into ours again."""
    try:
        yield
    except SourceError as error:
        said = re.search(r"sandbox\.errors\.(\w+): (.*)", str(error.__cause__))
        if said is None:
            raise
        if said[1] == "StoreError":
            hint = "workers reach the store by the folders and with the credentials of their own machines"
            raise StoreError(f"a worker of Spark: {said[2]}", hint=hint) from error
        raise SourceError(f"a worker of Spark: {said[2]}") from error


def _build_archive(package: Path) -> bytes:
    """Give the package's modules as a zip file; the same code gives the same bytes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*.py")):
            name = f"{package.name}/{path.relative_to(package).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return held.getvalue()
