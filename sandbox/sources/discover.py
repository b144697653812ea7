"""List the tables of a source, dispatching on its uri."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.lakes import iceberg
from sandbox.error_text import describe_foreign_error
from sandbox.errors import SourceError
from sandbox.model import ICEBERG_SCHEMES
from sandbox.sources import bucket, database_file, folder, postgres, spark
from sandbox.sources.listing import SourceListing, fetch_etags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config.settings import PostgresSection, SourceSection
    from sandbox.sources.listing import SourceFile
    from sandbox.sources.table import SourceTable


def list_configured_source(section: SourceSection, *, base: Path) -> SourceListing:
    """List the tables of the source in ``[source]`` for its configured engine (see `list_source`)."""
    listing = list_source(section.uri, base=base, section=section.postgres)
    return spark.connect_cluster(listing, section.spark) if section.engine == "spark" else listing


def list_source(uri: str, *, base: Path, section: PostgresSection | None = None) -> SourceListing:
    """List the tables of a source, without hidden files (``.x``, ``_x``) and other formats.

    Args:
        uri: As in ``[source]``.
        base: The folder for relative paths.
        section: Settings of a Postgres database.

    Raises:
        SourceError: The source is missing or unreadable.
    """
    if postgres.is_postgres_uri(uri):
        return postgres.list_database(uri, base=base, section=section)
    if uri.partition("://")[0] in ICEBERG_SCHEMES:
        catalogue = iceberg.open_catalog(uri, base=base)
        names: folder.FilesByTable = dict.fromkeys(catalogue.tables, ("iceberg", ()))
        return SourceListing(uri=uri, base=base, display_name=catalogue.address, files=names, catalogue=catalogue)
    if "://" in uri:
        remote, tree = bucket.list_bucket(uri, base=base)
        files, problems = _list_tree_tables(tree)
        return SourceListing(uri=uri, base=base, display_name=tree.root, files=files, problems=problems, remote=remote)
    root = (base / uri).absolute()
    try:
        if root.is_file() and database_file.detect_format(root) is not None:
            files, problems = database_file.list_tables(root)
        elif root.is_dir():
            files, problems = _list_tree_tables(folder.list_folder(root))
        else:
            what = "is a file, and neither a folder nor a DuckDB or SQLite database"
            raise SourceError(
                f"the source {root} {what if root.exists() else 'is not there'}",
                hint="correct uri in [source]; it starts at sandbox.toml",
            )
    except OSError as error:
        raise SourceError(f"the source {root} cannot be read: {describe_foreign_error(error)}") from error
    return SourceListing(uri=uri, base=base, display_name=str(root), files=files, problems=problems)


def _list_tree_tables(tree: folder.SourceTree) -> tuple[folder.FilesByTable, dict[str, str]]:
    """Return the tables of a folder or bucket, and the problems of others."""
    if folder.DELTA_LOG in tree.folders:
        parent = tree.root.rpartition("/")[0]
        raise SourceError(
            f"the source {tree.root} is itself a Delta table",
            hint=f"name the folder that it lies in: {parent}",
        )
    return folder.find_tables(tree)


def find_changed_files(before: SourceListing, tables: Mapping[str, SourceTable]) -> list[str]:
    """Return the names of the tables' files changed since they were listed in ``before``.

    Raises:
        SourceError: The source cannot be read any more.
    """
    if postgres.is_postgres_uri(before.uri):
        return []  # every query read one snapshot
    now = list_source(before.uri, base=before.base)
    moved = []
    for name, table in tables.items():
        _, there = now.files.get(name, (table.format, ()))
        try:
            moved += _find_changed_files_of_table(table, there) or []
        except OSError as error:
            raise SourceError(
                f"the source cannot be read any more: {describe_foreign_error(error)}", lost=True
            ) from error
    return moved


def _find_changed_files_of_table(table: SourceTable, there: tuple[SourceFile, ...]) -> list[str]:
    """Return the names of a table's changed files; ``there`` are its present files."""
    if table.snapshot is not None:
        # Newer versions do not matter, but the files of this version must remain.
        return [file.name for file in table.files if file.read_size() != file.bytes]
    if any(file.handle is not None and file.handle.is_consistent for file in table.files):
        return []  # every query read one snapshot
    now = fetch_etags(there)
    if now == table.files:
        return []
    return [file.name for file in table.files if file not in now] or [f"the files of {table.name}"]
