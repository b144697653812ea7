"""A shop to try things on: a warehouse, a pipeline under version control, and a change with a bug in it."""

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
    """Make a small but complete project: whole or not at all.

    Args:
        folder: Where; must not exist, or be an empty folder. Its parents are made as needed.
        scale: 1.0 gives 120,000 customers and about a million orders.
        progress: Shown while it is made.

    Raises:
        UsageError: The folder is taken, the scale is not positive, or git is not installed.
        StoreError: Something cannot be written; a full disk is one reason.
    """
    if not 0 < scale < float("inf"):
        raise UsageError(f"--scale {scale:g} makes no shop", hint="give a number above 0, like --scale 1")
    repository.check_git()
    with _stage_project_folder(folder.absolute()) as place:
        warehouse.write_warehouse(place / "warehouse", scale=scale, progress=progress)
        repository.create_repository(place)


@contextlib.contextmanager
def _stage_project_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes ``folder`` at the end, also where that is there but empty."""
    with translate_os_errors(folder):
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken:
        raise UsageError(
            f"{folder} is there and not an empty folder",
            hint="name another folder, like: sandbox demo my-shop",
        )
    if not folder.exists():
        with stage_folder(folder) as place:
            yield place
        return
    # An empty folder stays the folder it is: somebody may be working in it (`sandbox demo .`).
    inside = folder / ".making"
    moved: list[Path] = []
    try:
        with stage_folder(inside) as place:
            yield place
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
