"""The DuckDB files in which a project runs: the sample and what an earlier run made are views of Parquet there."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
from relation_names import patch_source_relations, quote, quote_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class DuckDBDatabase:
    """One DuckDB file, and one more for each other database that the project names."""

    adapter = "duckdb"
    exact: str | None = None  # the outputs themselves are shown

    def __init__(self, kept: Path, work: Path, *, memory: int, threads: int) -> None:
        self.kept = kept
        self.work = work
        self.memory = memory
        self.threads = threads
        self.file = kept / "sandbox.duckdb"
        self.attached: dict[str, Path] = {}

    def build_profile(self) -> dict[str, Any]:
        """Return the output of dbt's profile."""
        return {
            "type": self.adapter,
            "path": str(self.file),
            "schema": os.environ.get("DBT_SCHEMA", "main"),
            "threads": self.threads,
            "attach": [{"path": str(path), "alias": name} for name, path in self.attached.items()],
            "external_root": str(self.work),
            "settings": {
                "threads": self.threads,
                "TimeZone": "UTC",
                "memory_limit": f"{self.memory * 6 // 10}B",
                "temp_directory": str(self.kept / "spill"),
                "autoinstall_known_extensions": False,
            },
        }

    def adapt_manifest(self, manifest: Any) -> str:
        """Make the databases that the project names; gives the manifest's text."""
        named = {node.database for node in (*manifest.sources.values(), *manifest.nodes.values())}
        for name in sorted(one for one in named if one and one != self.file.stem):
            self.attached[name] = self.kept / f"{len(self.attached)}.duckdb"
        return (self.work / "target" / "manifest.json").read_text("utf-8")

    def normalize(self, text: str) -> str:
        """Return a text that is equal in two runs of the same."""
        return text

    def close_connections(self) -> None:
        """Close dbt's connections, so that the file can be opened with other settings."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()

    def prepare_state(self, earlier: Path) -> Path:
        """Return the folder with an earlier run's manifest."""
        return earlier

    def create_sample_views(self, places: list[tuple[Any, Path]]) -> None:
        """Show tables of the sample, each in its folder, at the places of sources and seeds."""
        self._create_views([(node, sorted(folder.glob("*.parquet"))) for node, folder in places])
        patch_source_relations({node.unique_id for node, _ in places})

    def restore_nodes(self, files: list[tuple[Any, Path]]) -> None:
        """Show what an earlier run made where it would have been made here."""
        self._create_views([(node, [file]) for node, file in files])

    def _create_views(self, files: list[tuple[Any, list[Path]]]) -> None:
        connection = duckdb.connect(str(self.file))
        for name, path in self.attached.items():
            connection.execute(f"attach if not exists {quote_literal(str(path))} as {quote(name)}")
        for node, paths in files:
            schema = f"{quote(node.database or self.file.stem)}.{quote(node.schema)}"
            listed = ", ".join(quote_literal(re.sub(r"([*?\[])", r"[\1]", str(path))) for path in paths)
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(
                f"create or replace view {schema}.{quote(getattr(node, 'identifier', None) or node.alias)} as "
                f"select * from read_parquet([{listed}], hive_partitioning = false)"
            )
        connection.close()

    def store_nodes(self, nodes: Mapping[str, Any], place: Callable[[Any], Path]) -> dict[str, str]:
        """Write what was built, views too, as Parquet; integers that it has no place for as decimals.

        Returns:
            The nodes whose rows cannot be read or written, with the reason.
        """
        problems = {}
        self.close_connections()
        connection = duckdb.connect(str(self.file), read_only=True)
        connection.execute("set TimeZone = 'UTC'")
        for name, path in self.attached.items():
            connection.execute(f"attach {quote_literal(str(path))} as {quote(name)} (read_only)")
        for key, node in nodes.items():
            try:
                self._write(connection, node, place(node))
            except duckdb.Error as error:
                problems[key] = str(error)
        connection.close()
        for path in (self.file, *self.attached.values()):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.kept / "spill", ignore_errors=True)
        return problems

    @staticmethod
    def _write(connection: Any, node: Any, path: Path) -> None:
        relation = ".".join(quote(part) for part in (node.database, node.schema, node.alias))
        columns = connection.execute(f"describe select * from {relation}").fetchall()
        chosen = ", ".join(
            f"{quote(name)}::decimal(38,0) as {quote(name)}" if kind in {"HUGEINT", "UHUGEINT"} else quote(name)
            for name, kind, *_ in columns
        )
        connection.execute(f"copy (select {chosen} from {relation}) to {quote_literal(str(path))} (format parquet)")
