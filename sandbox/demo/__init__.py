"""A demo shop: a warehouse, a pipeline in git, and an uncommitted change with a bug."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from sandbox.demo import repository, warehouse
from sandbox.errors import UsageError
from sandbox.store.folder import stage_folder, translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.model import Progress

PLANTED_BUG = (
    "the tidy-up of customer_value turned `status is distinct from 'cancelled'` into `status <> 'cancelled'`, which also"
    " loses the orders without a status: those that the call centre took before May 2023"
)


def create_demo(folder: Path, *, scale: float = 1.0, progress: Progress) -> None:
    """Create a small but complete project in a missing or empty folder, or nothing on failure.

    A scale of 1.0 creates 120,000 customers and about a million orders.

    Raises:
        UsageError: The folder is not empty, the scale is not positive, or git is not installed.
        StoreError: A file cannot be written, for example on a full disk.
    """
    if not 0 < scale < float("inf"):
        raise UsageError(f"--scale {scale:g} makes no shop", hint="give a number above 0, like --scale 1")
    repository.check_git()
    with _stage_project_folder(folder.absolute()) as staged:
        warehouse.write_warehouse(staged / "warehouse", scale=scale, progress=progress)
        repository.create_repository(staged)


@contextlib.contextmanager
def _stage_project_folder(folder: Path) -> Iterator[Path]:
    """Yield a staging folder, moved to ``folder`` at the end, or into it if it exists and is empty."""
    with translate_os_errors(folder):
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken:
        raise UsageError(
            f"{folder} is there and not an empty folder",
            hint="name another folder, like: sandbox demo my-shop",
        )
    if not folder.exists():
        with stage_folder(folder) as staged:
            yield staged
        return
    # An existing empty folder is kept: it may be somebody's working directory (`sandbox demo .`).
    inside = folder / ".making"
    moved: list[Path] = []
    try:
        with stage_folder(inside) as staged:
            yield staged
        with translate_os_errors(folder):
            for path in sorted(inside.iterdir()):
                moved.append(folder / path.name)
                path.rename(moved[-1])
            inside.rmdir()
    except BaseException:
        for path in (inside, *moved):
            _remove_path(path)
        raise


def _remove_path(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
