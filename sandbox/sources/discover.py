"""What a source has: the kind of place that its uri names decides who looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import summarize_error
from sandbox.engine.lakes import iceberg
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
    """List the tables of the source that ``[source]`` names, read by the engine that it names (see `list_source`)."""
    listing = list_source(section.uri, base=base, section=section.postgres)
    return spark.connect_cluster(listing, section.spark) if section.engine == "spark" else listing


def list_source(uri: str, *, base: Path, section: PostgresSection | None = None) -> SourceListing:
    """List the tables of a source; what is hidden (``.x``, ``_x``) or of another format is no table.

    Args:
        uri: As in ``[source]``.
        base: The folder that a path is relative to.
        section: How a Postgres database is treated.

    Raises:
        SourceError: It is not there or cannot be read.
    """
    if postgres.is_postgres_uri(uri):
        return postgres.list_database(uri, base=base, section=section)
    if uri.partition("://")[0] in ICEBERG_SCHEMES:
        catalogue = iceberg.open_catalog(uri, base=base)
        names: folder.FilesByTable = dict.fromkeys(catalogue.tables, ("iceberg", ()))
        return SourceListing(uri=uri, base=base, display_name=catalogue.address, files=names, catalogue=catalogue)
    if "://" in uri:
        remote, found = bucket.list_bucket(uri, base=base)
        files, problems = _list_tree_tables(found)
        return SourceListing(uri=uri, base=base, display_name=found.root, files=files, problems=problems, remote=remote)
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
        raise SourceError(f"the source {root} cannot be read: {error}") from error
    return SourceListing(uri=uri, base=base, display_name=str(root), files=files, problems=problems)


def _list_tree_tables(found: folder.SourceTree) -> tuple[folder.FilesByTable, dict[str, str]]:
    """Give the tables of a folder or bucket."""
    if folder.DELTA_LOG in found.folders:
        parent = found.root.rpartition("/")[0]
        raise SourceError(
            f"the source {found.root} is itself a Delta table",
            hint=f"name the folder that it lies in: {parent}",
        )
    return folder.find_tables(found)


def find_changed_files(before: SourceListing, tables: Mapping[str, SourceTable]) -> list[str]:
    """Give the files of tables that are no longer as they were, by name.

    Args:
        before: What the source had.
        tables: What was read of it.

    Raises:
        SourceError: It cannot be read any more.
    """
    if postgres.is_postgres_uri(before.uri):
        return []  # every query saw the same moment
    now = list_source(before.uri, base=before.base)
    moved = []
    for name, table in tables.items():
        _, there = now.files.get(name, (table.format, ()))
        try:
            moved += _find_changed_files_of_table(table, there) or []
        except OSError as error:
            raise SourceError(f"the source cannot be read any more: {summarize_error(error)}", lost=True) from error
    return moved


def _find_changed_files_of_table(table: SourceTable, there: tuple[SourceFile, ...]) -> list[str]:
    """Give the files of a table that are no longer as they were; ``there`` are those that it has now."""
    if table.snapshot is not None:
        # Newer versions do not matter; what is read of this one must be there to the end.
        return [file.name for file in table.files if file.read_size() != file.bytes]
    if any(file.handle is not None and file.handle.is_consistent for file in table.files):
        return []  # every query saw the same moment
    now = fetch_etags(there)
    if now == table.files:
        return []
    return [file.name for file in table.files if file not in now] or [f"the files of {table.name}"]
