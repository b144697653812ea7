"""List the files of a bucket."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.errors import SourceError, StoreError
from sandbox.sources.folder import DELTA_LOG, SourceTree, is_visible
from sandbox.sources.listing import SourceFile
from sandbox.store.remote import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.store.remote import RemoteStore


def list_bucket(uri: str, *, base: Path) -> tuple[RemoteStore, SourceTree]:
    """List the objects of a bucket, or below a prefix of it.

    Raises:
        SourceError: The bucket is unreachable, missing, empty or forbidden.
    """
    with translate_store_errors():
        remote = open_store(uri, base=base)
        entries = remote.list_entries()
        if not entries:
            remote.check_exists()
            raise StoreError(f"there is nothing in {remote.name}", hint="correct uri in [source]")
    scheme = uri.partition("://")[0]
    files: list[SourceFile] = []
    folders: set[str] = set()
    hidden: set[str] = set()
    for name, size, modified in entries:
        *steps, last = name.split("/")
        kept = _select_visible_folders(steps)
        folders.update("/".join(steps[: end + 1]) for end in range(len(kept)))
        if size is None:
            continue
        shown = [step for step in steps if is_visible(step) or step == DELTA_LOG]
        if len(shown) < len(steps) or not is_visible(last):
            first = next((index for index, step in enumerate(steps) if step not in shown), len(steps))
            hidden.add("/".join([*steps, last][: first + 1]))
            continue
        if len(kept) < len(steps) or (kept and not _is_table_folder(kept)):
            continue
        address = f"{scheme}://{remote.root.rstrip('/')}/{name}"
        files.append(SourceFile(path=address, name=name, bytes=size, modified=modified, system=remote.system))
    return remote, SourceTree(
        root=remote.name.rstrip("/"),
        files=sorted(files, key=lambda file: file.name.split("/")),
        folders=sorted(folders),
        hidden=sorted(hidden),
    )


@contextlib.contextmanager
def translate_store_errors() -> Iterator[None]:
    """Translate errors of a remote store into errors of the source."""
    try:
        yield
    except StoreError as error:
        raise SourceError(f"the source: {error.message}", hint=error.hint, lost=True) from error


def _select_visible_folders(steps: list[str]) -> list[str]:
    """Return the leading folders of a path up to the first hidden or non-partition folder."""
    kept: list[str] = []
    for step in steps:
        if not is_visible(step) and step != DELTA_LOG:
            break
        kept.append(step)
        if not _is_table_folder(kept):
            break
    return kept


def _is_table_folder(steps: list[str]) -> bool:
    """Check whether a folder is a table's own or one of its partitions."""
    return all("=" in step for step in steps[1:])
