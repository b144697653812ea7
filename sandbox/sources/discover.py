"""List the tables of a source: those of the first adapter that knows its uri, else of a bucket or folder."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.errors import SourceError
from sandbox.sources import bucket, folder
from sandbox.sources.adapters import excel_files, spark
from sandbox.sources.listing import SourceListing, keep_etags
from sandbox.sources.registry import ADAPTERS, get_adapter
from sandbox.sources.unreadable_file import build_file_error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.sections.source import SourceSection
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.table import SourceTable
    from sandbox.store.remote import RemoteStore


def list_configured_source(section: SourceSection, *, base: Path) -> SourceListing:
    """List the tables of the source in ``[source]`` for its configured engine (see `list_source`)."""
    listing = list_source(section.uri, base=base, section=section)
    return spark.connect_cluster(listing, section.spark) if section.engine == "spark" else listing


def list_source(uri: str, *, base: Path, section: SourceSection | None = None) -> SourceListing:
    """List the tables of a source; hidden files (``.x``, ``_x``) and other formats are left out.

    Args:
        uri: As in ``[source]``.
        base: The folder for relative paths.
        section: ``[source]``, for what its adapter may do; None for the defaults.

    Raises:
        SourceError: The source is missing or unreadable.
    """
    try:
        for adapter in ADAPTERS.values():
            if (listing := adapter.list_source(uri, base=base, section=section)) is not None:
                return listing
    except OSError as error:
        raise build_file_error(f"the source {(base / uri).absolute()}", "cannot be read", error, hint="") from error
    remote, tree = _list_tree(uri, base)
    found = _split_workbooks(_find_tree_tables(tree))
    return SourceListing(
        uri=uri,
        base=base,
        display_name=tree.root,
        files=found.files,
        problems=found.problems,
        left_out=found.left_out,
        is_folder=True,
        remote=remote,
    )


def _list_tree(uri: str, base: Path) -> tuple[RemoteStore | None, folder.SourceTree]:
    """List the files of a folder or bucket."""
    root = (base / uri).absolute()
    try:
        return bucket.list_bucket(uri, base=base) if "://" in uri else (None, _list_local_folder(root))
    except OSError as error:
        raise build_file_error(f"the source {root}", "cannot be read", error, hint="") from error


def _list_local_folder(root: Path) -> folder.SourceTree:
    if root.is_dir():
        return folder.list_folder(root)
    what = "is a file, and neither a folder nor a DuckDB or SQLite database"
    raise SourceError(
        f"the source {root} {what if root.exists() else 'is not there'}",
        hint="correct uri in [source]; it starts at sandbox.toml",
    )


def _find_tree_tables(tree: folder.SourceTree) -> folder.TreeTables:
    """Return the tables of a folder or bucket (see `folder.find_tables`)."""
    if folder.DELTA_LOG in tree.folders:
        parent = tree.root.rpartition("/")[0]
        raise SourceError(
            f"the source {tree.root} is itself a Delta table",
            hint=f"name the folder that it lies in: {parent}",
        )
    return folder.find_tables(tree)


def _split_workbooks(found: folder.TreeTables) -> folder.TreeTables:
    """Return the tables of a folder with one for each sheet of its workbooks."""
    books = {name for name, (form, files) in found.files.items() if form == "excel" and len(files) == 1}
    files = {name: entry for name, entry in found.files.items() if name not in books}
    problems = dict(found.problems)
    for name in sorted(books):
        _, (file,) = found.files[name]
        try:
            sheets = excel_files.split_workbook(name, file)
        except SourceError as error:
            problems[name] = f"{error.message}; {error.hint}"
            continue
        for table, sheet in sheets.items():
            if table in files:
                problems[table] = f"the source has the table {table} more than once; rename a sheet or a file"
            files[table] = ("excel", (sheet,))
    files = {name: entry for name, entry in files.items() if name not in problems}
    return replace(found, files=files, problems=problems)


def check_unchanged(before: SourceListing, tables: Mapping[str, SourceTable]) -> None:
    """Check that the tables' files are as listed in ``before``; later files do not matter.

    Raises:
        SourceError: A file has changed or is missing, or the source cannot be read any more.
    """
    changeable = {name: table for name, table in tables.items() if not get_adapter(table).is_snapshot}
    if not changeable:
        return
    present = _list_present_files(before)
    for table in changeable.values():
        now = tuple(file for file in (_find_present_file(file, present) for file in table.files) if file is not None)
        adapter = get_adapter(table)
        try:
            changed = adapter.find_changed_files(table, keep_etags(table.files, before.listed, now))
        except OSError as error:
            raise build_file_error("the source", "cannot be read any more", error, hint="") from error
        if changed:
            raise adapter.build_change_error(table, changed)


def _list_present_files(before: SourceListing) -> dict[tuple[str, tuple[str, ...]], SourceFile]:
    """Return the files of a source as they are now, by path, and in a database also by table."""
    for adapter in ADAPTERS.values():
        if (listing := adapter.list_source(before.uri, base=before.base, section=None)) is not None:
            with contextlib.closing(listing):
                return {(file.path, file.table_path): file for _, files in listing.files.values() for file in files}
    tree = _list_tree(before.uri, before.base)[1]
    return {(file.path, ()): file for file in tree.files}


def _find_present_file(
    file: SourceFile, present: Mapping[tuple[str, tuple[str, ...]], SourceFile]
) -> SourceFile | None:
    """Return a listed file as it is now; None if it is missing."""
    now = present.get((file.path, file.table_path)) or present.get((file.path, ()))
    return now and replace(file, bytes=now.bytes, modified=now.modified, etag="", content=b"")
