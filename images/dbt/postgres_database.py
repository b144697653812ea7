"""The run's own Postgres database in which a project runs; see docs/dbt.md.

It has no other database beside it, so what an earlier run made is loaded anew: from ``_dbt/exact``, where that run kept, of
each table, the texts that Postgres gave of its values, its types and its keys. Parquet has not all of Postgres's types.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import duckdb
import psycopg2
from csv_transfer import (
    COLUMNS_QUERY,
    CONNECTION_OPTIONS,
    build_csv_scan,
    build_export_statement,
    build_value_list,
)
from explain import StoppedError
from relation_names import quote, quote_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

NOBODYS = "run_000000000000"
NOWHERE = f"postgresql:///{NOBODYS}?host=/nowhere&user=nobody&password="
FORMAT = "(format parquet, compression zstd)"
# Types that every database has; one that a run made is not there in the next.
PLAIN = """
    select bool_and(t.typnamespace = 'pg_catalog'::regnamespace) from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = (quote_ident(%s) || '.' || quote_ident(%s))::regclass and a.attnum > 0 and not a.attisdropped
"""
KEYS = """
    select pg_get_constraintdef(oid) from pg_constraint
    where conrelid = (quote_ident(%s) || '.' || quote_ident(%s))::regclass and contype in ('p', 'u') order by contype, conname
"""


class PostgresDatabase:
    """The database of ``$SANDBOX_DATABASE_URL``; with no address it is good for parsing alone."""

    adapter = "postgres"
    exact: str | None = "exact"  # the folder with what `restore_nodes` loads

    def __init__(self, kept: Path, work: Path, *, memory: int, threads: int) -> None:
        self.kept = kept
        self.work = work
        self.memory = memory
        self.threads = threads
        self.url = os.environ.get("SANDBOX_DATABASE_URL", NOWHERE)
        self.name = urlsplit(self.url).path.removeprefix("/")

    def build_profile(self) -> dict[str, Any]:
        """Return the output of dbt's profile."""
        given = dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))
        return {
            "type": self.adapter,
            "host": given["host"],
            "port": 5432,
            "user": given["user"],
            "password": given["password"],
            "dbname": self.name,
            "schema": os.environ.get("DBT_SCHEMA", "main"),
            "threads": self.threads,
        }

    def adapt_manifest(self, manifest: Any) -> str:
        """Put all that names a database into this one, and grant nothing to production's roles; gives the manifest's text.

        The text names a database that is nobody's, so that two runs of the same say the same.
        """
        for node in (*manifest.sources.values(), *manifest.nodes.values()):
            if getattr(node, "relation_name", None):
                said = quote(node.database) if node.relation_name.startswith('"') else node.database
                node.relation_name = quote(self.name) + node.relation_name.removeprefix(said)
            node.database = self.name
            if getattr(node.config, "grants", None):
                node.config.grants = {}
        _check_distinct_relations(manifest.nodes.values())
        file = self.work / "target" / "manifest.json"
        manifest.write(str(file))
        return file.read_text("utf-8").replace(self.name, NOBODYS)

    def normalize(self, text: str) -> str:
        """Return a text that is equal in two runs of the same: with a database that is nobody's."""
        return text.replace(self.name, NOBODYS)

    def close_connections(self) -> None:
        """Close nothing: the server takes more connections."""

    def prepare_state(self, earlier: Path) -> Path:
        """Return a folder with an earlier run's manifest, as if that had been in this database."""
        folder = self.work / "state"
        folder.mkdir(exist_ok=True)
        text = (earlier / "manifest.json").read_text("utf-8")
        text = text.replace(NOBODYS, self.name)
        (folder / "manifest.json").write_text(text, "utf-8")
        return folder

    def create_sample_views(self, places: list[tuple[Any, Path]]) -> None:
        """Show tables of the sample, which are loaded under their names, at the places of sources and seeds."""
        with self._open_cursor() as cursor:
            for node, folder in places:
                schema, _, table = folder.name.rpartition(".")
                loaded = schema or "public", table
                if (there := _find_relation(node)) == loaded:
                    continue
                cursor.execute(f"create schema if not exists {quote(there[0])}")
                cursor.execute(
                    f"create or replace view {_format_relation(there)} as select * from {_format_relation(loaded)}"
                )

    def restore_nodes(self, files: list[tuple[Any, Path]]) -> None:
        """Load what an earlier run made where it would have been made here, as a table."""
        rows = self.kept / "rows.csv"
        with self._open_cursor() as cursor, self._open_duckdb() as reader:
            for node, file in files:
                said = json.loads(file.with_suffix(".json").read_text("utf-8"))
                there = _find_relation(node)
                reader.execute(
                    f"copy (from {quote_literal(str(file))}) to {quote_literal(str(rows))} (format csv, header false, force_quote *)"
                )
                columns = ", ".join(f"{quote(name)} {kind}" for name, kind in said["columns"].items())
                cursor.execute(f"create schema if not exists {quote(there[0])}")
                cursor.execute(f"create table {_format_relation(there)} ({columns})")
                with rows.open("rb") as lines:
                    cursor.copy_expert(f"copy {_format_relation(there)} from stdin (format csv)", lines)
                for key in said["keys"]:
                    cursor.execute(f"alter table {_format_relation(there)} add {key}")
                cursor.execute(f"analyze {_format_relation(there)}")
                rows.unlink()

    def store_nodes(self, nodes: Mapping[str, Any], place: Callable[[Any], Path]) -> dict[str, str]:
        """Write what was built, views too, as Parquet, and what `restore_nodes` needs of it.

        Returns:
            The nodes whose rows cannot be read or written, with the reason.
        """
        (self.kept / "exact").mkdir(exist_ok=True)
        problems = {}
        with self._open_cursor() as cursor, self._open_duckdb() as writer:
            for key, node in nodes.items():
                cursor.execute("savepoint kept")
                try:
                    self._write(cursor, writer, node, place(node))
                except (psycopg2.Error, duckdb.Error) as error:
                    cursor.execute("rollback to savepoint kept")
                    problems[key] = str(error)
        (self.kept / "rows.csv").unlink(missing_ok=True)
        shutil.rmtree(self.kept / "spill", ignore_errors=True)
        return problems

    def _write(self, cursor: Any, writer: Any, node: Any, file: Path) -> None:
        there, rows = _find_relation(node), self.kept / "rows.csv"
        cursor.execute(COLUMNS_QUERY, there)
        columns = dict(cursor.fetchall())
        if not columns:
            raise duckdb.BinderException("it has no column")
        with rows.open("wb") as lines:
            cursor.copy_expert(build_export_statement(*there, columns), lines)
        texts = self.kept / "exact" / f"{node.unique_id}.parquet"
        writer.execute(f"copy (from {build_csv_scan(str(rows), columns)}) to {quote_literal(str(texts))} {FORMAT}")
        writer.execute(
            f"copy (select {build_value_list(columns)} from {quote_literal(str(texts))}) to {quote_literal(str(file))} {FORMAT}"
        )
        cursor.execute(PLAIN, there)
        if not cursor.fetchone()[0]:
            texts.unlink()  # so that it is built again
            return
        cursor.execute(KEYS, there)
        said = {"columns": columns, "keys": [key for (key,) in cursor.fetchall()]}
        texts.with_suffix(".json").write_text(json.dumps(said), "utf-8")

    @contextlib.contextmanager
    def _open_cursor(self) -> Iterator[Any]:
        """Return a cursor for one transaction, which is committed when the block ends well."""
        connection = psycopg2.connect(self.url, options=CONNECTION_OPTIONS, client_encoding="UTF8")
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise StoppedError(f"Postgres: {error}") from error
        finally:
            connection.close()

    def _open_duckdb(self) -> Any:
        """Return a DuckDB that turns texts into values."""
        spill = str(self.kept / "spill")
        settings = {
            "memory_limit": f"{self.memory * 6 // 10}B",
            "temp_directory": spill,
            "threads": self.threads,
        }
        connection = duckdb.connect(config=settings)
        connection.execute("set TimeZone = 'UTC'")
        return connection


def _check_distinct_relations(nodes: Iterable[Any]) -> None:
    """Make sure that no two nodes are in one place now that all databases are one."""
    taken: dict[tuple[str, str], str] = {}
    for node in nodes:
        if getattr(node, "relation_name", None) and node.resource_type != "test":
            other = taken.setdefault(_find_relation(node), node.unique_id)
            if other != node.unique_id:
                raise StoppedError(
                    f"{other} and {node.unique_id} are both {'.'.join(_find_relation(node))}: a run has one Postgres database"
                )


def _find_relation(node: Any) -> tuple[str, str]:
    """Return schema and table of a node; what the project does not quote is in lower case."""
    parts = node.schema, getattr(node, "identifier", None) or node.alias
    schema, table = (part if quote(part) in node.relation_name else part.lower() for part in parts)
    return schema, table


def _format_relation(place: tuple[str, str]) -> str:
    return ".".join(map(quote, place))
