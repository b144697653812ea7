"""Evaluate the views of a run's databases inside the run: their text could name any file, so nothing else may do so.

``views.json`` beside it lists databases below ``$SANDBOX_OUTPUT`` with their views. The rows of each database's views
are written as tables into a new database in ``$SANDBOX_VIEWS``. Views with errors are omitted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

ROWS_NAME = "rows of views"


def evaluate_duckdb_views(database: Path, views: list[list[str]], target: Path) -> None:
    """Write the rows of a DuckDB file's views; they see the file under its original name, as during the run."""
    import duckdb  # noqa: PLC0415 - the stack's own, which may not have it

    with duckdb.connect() as connection:
        name = _quote_name(database.stem)
        connection.execute(f"attach {_quote_text(str(database))} as {name} (type duckdb, read_only)")
        connection.execute(f"attach {_quote_text(str(target))} as {_quote_name(ROWS_NAME)} (type duckdb)")
        connection.execute(f"use {name}")
        for schema, view in views:
            target_schema = f"{_quote_name(ROWS_NAME)}.{_quote_name(schema)}"
            rows = f"{name}.{_quote_name(schema)}.{_quote_name(view)}"
            try:
                connection.execute(f"create schema if not exists {target_schema}")
                connection.execute(f"create table {target_schema}.{_quote_name(view)} as from {rows}")
            except duckdb.Error as error:
                print(f"{schema}.{view}: {error}", file=sys.stderr)  # noqa: T201 - the log of the evaluation
        connection.execute("use memory")
        connection.execute(f"detach {_quote_name(ROWS_NAME)}")


def evaluate_sqlite_views(database: Path, views: list[list[str]], target: Path) -> None:
    """Write the rows of a SQLite file's views."""
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        connection.execute("attach ? as rows_of_views", [str(target)])
        for _, view in views:
            name = _quote_name(view)
            try:
                connection.execute(f"create table rows_of_views.{name} as select * from main.{name}")
            except sqlite3.Error as error:
                print(f"{view}: {error}", file=sys.stderr)  # noqa: T201
        connection.commit()


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def main() -> None:
    """Evaluate the views of all listed databases."""
    output, folder = Path(os.environ["SANDBOX_OUTPUT"]), Path(os.environ["SANDBOX_VIEWS"])
    plan: list[dict[str, Any]] = json.loads(Path(__file__).with_name("views.json").read_text("utf-8"))
    for entry in plan:
        evaluate = evaluate_duckdb_views if entry["format"] == "duckdb" else evaluate_sqlite_views
        try:
            evaluate(output / entry["database"], entry["views"], folder / entry["rows"])
        except Exception as error:  # noqa: BLE001 - the views of the other databases are still evaluated
            print(f"{entry['database']}: {error}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
