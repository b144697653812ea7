"""What a source has: the kind of place that its uri names decides who looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import SourceError
from sandbox.sampler import databases, tree
from sandbox.sampler.source import Listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.sampler.table import SourceTable


def listed(uri: str, *, base: Path) -> Listing:
    """List the tables of a source; what is hidden (``.x``, ``_x``) or of another format is no table.

    Args:
        uri: As in ``[source]``.
        base: The folder that a path is relative to.

    Raises:
        SourceError: It is not there or cannot be read.
    """
    root = (base / uri).absolute()
    try:
        if root.is_file() and databases.kind_of(root) is not None:
            files, problems = databases.tables(root)
            return Listing(uri=uri, base=base, shown=str(root), files=files, problems=problems)
    except OSError as error:
        raise SourceError(f"the source {root} cannot be read: {error}") from error
    if not root.is_dir():
        what = (
            "is a file, and neither a folder nor a DuckDB or SQLite database"
            if root.exists()
            else "is not there"
        )
        raise SourceError(
            f"the source {root} {what}", hint="correct uri in [source]; it starts at sandbox.toml"
        )
    try:
        found = tree.local(root)
    except OSError as error:
        raise SourceError(f"the source {root} cannot be read: {error}") from error
    if tree.DELTA_LOG in found.folders:
        raise SourceError(
            f"the source {root} is itself a Delta table",
            hint=f"name the folder that it lies in: {root.parent}",
        )
    files, problems = tree.tables(found)
    return Listing(uri=uri, base=base, shown=str(root), files=files, problems=problems)


def changed(before: Listing, tables: Mapping[str, SourceTable]) -> list[str]:
    """Give the files of tables that are no longer as they were, by name.

    Args:
        before: What the source had.
        tables: What was read of it.

    Raises:
        SourceError: It cannot be read any more.
    """
    now = listed(before.uri, base=before.base)
    moved = []
    for name, table in tables.items():
        if table.snapshot is not None:
            # Newer versions do not matter; what is read of this one must be there to the end.
            moved += [file.name for file in table.files if file.size() != file.bytes]
            continue
        if any(file.opened is not None and file.opened.held for file in table.files):
            continue  # every query saw the same moment
        _, files = now.files.get(name, (table.format, ()))
        if files != table.files:
            moved += [file.name for file in table.files if file not in files] or [f"the files of {name}"]
    return moved
