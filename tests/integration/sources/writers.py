"""Write one set of tables as each kind of source."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from tests.integration.sources.iceberg_log import delete_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyiceberg.catalog.sql import SqlCatalog

    from tests.integration.sources.conftest import Arrow, Lake
    from tests.integration.sources.server import Server

PARTITIONS = {
    "people": "country, month",
    "words": "class",
    "visits": "day",
    "lines": "year",
    "parts": "year",
}
DELTA_PARTITIONS = {"people": ["month"], "words": ["class"], "lines": ["year"]}


def write(lake: Lake, name: str, select: str, options: str = "") -> None:
    path = lake.source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        quoted = str(path).replace("'", "''")
        connection.execute(f"copy ({select}) to '{quoted}' {options}")


def as_text(plain: Path, lake: Lake, suffix: str) -> None:
    """Write the plain tables as one file each: CSV or JSON Lines, compressed where the suffix says so."""
    for path in sorted(plain.glob("*.parquet")):
        form = "csv" if suffix.startswith("csv") else "json"
        packed = ", compression gzip" if suffix.endswith(".gz") else ""
        write(lake, f"{path.stem}.{suffix}", f"from '{path}'", f"(format {form}{packed})")


def partitioned(plain: Path, target: Path, form: str) -> None:
    """Write the plain tables into folders by column."""
    with duckdb.connect() as connection:
        for name in ("people", "visits", "words", "tokens", "days", "lines", "parts"):
            by = f", partition_by ({PARTITIONS[name]})" if name in PARTITIONS else ""
            where = target / name if by else target / f"{name}.parquet"
            kind = form if by else "parquet"
            path = str(where).replace("'", "''")
            connection.execute(f"copy (from '{plain}/{name}.parquet') to '{path}' (format {kind}{by})")


def as_duckdb(plain: Path, file: Path) -> None:
    """Write the plain tables into a DuckDB file, and delete some rows that are too many."""
    with duckdb_file(file) as connection:
        for path in sorted(plain.glob("*.parquet")):
            name = path.stem
            connection.execute(f"create table {name} as from '{path}' union all from '{path}' limit 50")
            connection.execute(f"delete from {name}; insert into {name} from '{path}'")
        connection.execute("create schema other; create table other.people as select 1 as id")
        connection.execute("create view elsewhere as from read_csv('/etc/passwd')")


def as_sqlite(plain: Path, file: Path, arrow: Arrow) -> None:
    """Write the plain tables into a SQLite file: dates and times as text, decimals as numbers."""
    kinds = {
        "int64": "INTEGER",
        "int32": "INTEGER",
        "double": "REAL",
        "bool": "BOOLEAN",
        "date32[day]": "DATE",
    }
    with closing(sqlite3.connect(file)) as connection:
        for path in sorted(plain.glob("*.parquet")):
            rows = arrow(path)
            columns = ", ".join(f'"{one.name}" {kinds.get(str(one.type), "TEXT")}' for one in rows.schema)
            connection.execute(f"create table {path.stem} ({columns})")
            values = (
                tuple(one if one is None or isinstance(one, int | float | str) else str(one) for one in row.values())
                for row in rows.to_pylist()
            )
            marks = ", ".join("?" * len(rows.schema))
            connection.executemany(f"insert into {path.stem} values ({marks})", values)
        connection.execute("create view elsewhere as select * from people")
        connection.commit()


@contextlib.contextmanager
def duckdb_file(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Make a DuckDB file; elsewhere first, since DuckDB cannot write to a path with ? in it."""
    made = file.parent.parent / "made.duckdb"
    with duckdb.connect(str(made)) as connection:
        yield connection
    made.rename(file)


def written(lake: Lake, name: str, rows: pa.Table, **options: Any) -> None:
    """Write rows to a Delta table of the source; beside it first, since delta-rs cannot write to a path with [ in it."""
    staged = lake.root.parent / "staged" / name
    deltalake.write_deltalake(str(staged), rows, **options)
    shutil.copytree(staged, lake.source / name, dirs_exist_ok=True)


def as_delta(plain: Path, lake: Lake, arrow: Arrow) -> None:
    """Write the plain tables as Delta tables: in two commits, with rows that were written twice, deleted and written again."""
    for path in sorted(plain.glob("*.parquet")):
        rows = arrow(path)
        name, key = path.stem, rows.column_names[0]
        half = len(rows) // 2
        written(lake, name, rows.slice(0, half), partition_by=DELTA_PARTITIONS.get(name))
        written(lake, name, rows.slice(half - 20), mode="append")
        at_fault = rows.filter(pc.is_in(rows[key], rows.slice(half - 20, 20)[key]))
        texts = ("'" + value.replace("'", "''") + "'" for value in at_fault[key].cast(pa.string()).to_pylist())
        staged = deltalake.DeltaTable(str(lake.root.parent / "staged" / name))
        staged.delete(f"cast({key} as string) in ({', '.join(texts)})")
        written(lake, name, at_fault, mode="append")


def as_iceberg(plain: Path, catalog: SqlCatalog, arrow: Arrow) -> None:
    """Write the plain tables as Iceberg tables: with rows that were written twice, deleted by value and written again."""
    for path in sorted(plain.glob("*.parquet")):
        rows = arrow(path)
        half, key = len(rows) // 2, rows.column_names[0]
        table = catalog.create_table(f"shop.{path.stem}", schema=rows.schema, properties={"format-version": "2"})
        table.append(rows.slice(0, half))
        table.append(rows.slice(half - 20))
        twice = rows.slice(half - 20, 20)
        if path.stem == "lines":  # whose first column is not its key
            table.overwrite(rows)
            continue
        delete_values(table, twice.select([key]))
        table.append(twice)


def as_mixture(plain: Path, lake: Lake, arrow: Arrow) -> None:
    """Write the plain tables as Parquet, partitioned, as CSV, JSON Lines and Delta, side by side."""
    for name in ("people", "words", "days"):
        shutil.copy(plain / f"{name}.parquet", lake.source / f"{name}.parquet")
    write(lake, "lines", f"from '{plain}/lines.parquet'", "(format parquet, partition_by (year))")
    write(lake, "parts [1].csv", "select 1 as x")
    write(lake, "parts/a [1]?.csv", f"from '{plain}/parts.parquet' where id < 700")
    write(lake, "parts/b.csv.gz", f"from '{plain}/parts.parquet' where id >= 700", "(compression gzip)")
    write(lake, "tokens.jsonl", f"from '{plain}/tokens.parquet'", "(format json)")
    staged = lake.root.parent / "staged"
    deltalake.write_deltalake(str(staged), arrow(plain / "visits.parquet"))
    shutil.copytree(staged, lake.source / "visits")


def fill_server(server: Server, folder: Path, arrow: Arrow) -> None:
    """Put the tables of a folder of Parquet into a database, with the same types."""
    for path in sorted(folder.iterdir()):
        files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        with duckdb.connect() as connection:
            kinds = dict(
                row[:2] for row in connection.execute("describe from read_parquet(?)", [str(files[0])]).fetchall()
            )
        odd = {
            name: kind.replace("DECIMAL", "numeric")
            for name, kind in kinds.items()
            if kind == "UUID" or kind.startswith("DECIMAL")
        }
        server.put(path.stem, pa.concat_tables([arrow(file) for file in files]), odd)
