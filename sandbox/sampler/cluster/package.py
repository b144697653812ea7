"""Ship this package to Spark's executors as a zip file, so that both run the same code."""

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


@contextlib.contextmanager
def ship_package(cluster: SparkCluster, store: RemoteStore, stage: str) -> Iterator[None]:
    """Upload the code to the executors and check that one can run it and write to the folder ``stage`` of the store.

    The uploaded file exists within the block: an executor fetches it with its first task, also one that starts later.

    Raises:
        SourceError: A requirement is missing on the executor.
        StoreError: The executor writes elsewhere, or its files cannot be moved from here.
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
        yield


@contextlib.contextmanager
def translate_worker_errors() -> Iterator[None]:
    """Translate sandbox's errors from executors, wrapped by Spark, back into their classes."""
    try:
        yield
    except SourceError as error:
        match = re.search(r"sandbox\.errors\.(\w+): (.*)", str(error.__cause__))
        if match is None:
            raise
        if match[1] == "StoreError":
            hint = "workers reach the store by the folders and with the credentials of their own machines"
            raise StoreError(f"a worker of Spark: {match[2]}", hint=hint) from error
        raise SourceError(f"a worker of Spark: {match[2]}") from error


def _build_archive(package: Path) -> bytes:
    """Build a zip file of the package's modules; deterministic."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*.py")):
            name = f"{package.name}/{path.relative_to(package).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return held.getvalue()
