"""Write one set of tables as each kind of source."""

from __future__ import annotations

import contextlib
import datetime as dt
import html
import shutil
import sqlite3
import zipfile
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

    from tests.integration.sources.conftest import Arrow
    from tests.integration.sources.server import Server
    from tests.projects import SourceProject

PARTITIONS = {
    "people": "country, month",
    "words": "class",
    "visits": "day",
    "lines": "year",
    "parts": "year",
}
DELTA_PARTITIONS = {"people": ["month"], "words": ["class"], "lines": ["year"]}


def write(lake: SourceProject, name: str, select: str, options: str = "") -> None:
    path = lake.source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        quoted = str(path).replace("'", "''")
        connection.execute(f"copy ({select}) to '{quoted}' {options}")


def as_text(plain: Path, lake: SourceProject, suffix: str) -> None:
    """Write the plain tables as one file each: CSV or JSON Lines, compressed where the suffix says so."""
    for path in sorted(plain.glob("*.parquet")):
        form = "csv" if suffix.startswith("csv") else "json"
        packed = ", compression gzip" if suffix.endswith(".gz") else ""
        write(lake, f"{path.stem}.{suffix}", f"from '{path}'", f"(format {form}{packed})")


def write_workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    """Write a workbook: numbers, booleans, dates (style 1), times (style 2) and texts."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        numbers = range(1, len(sheets) + 1)
        overrides = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n in numbers
        )
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>{overrides}</Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        names = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, start=1))
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
        )
        links += f'<Relationship Id="s" Type="{office}/styles" Target="styles.xml"/>'
        book.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}/relationships">{links}</Relationships>'
        )
        styles = "".join(f'<xf numFmtId="{number}" applyNumberFormat="1"/>' for number in (0, 14, 22))
        book.writestr("xl/styles.xml", f'<styleSheet xmlns="{main}"><cellXfs count="3">{styles}</cellXfs></styleSheet>')
        for n, rows in enumerate(sheets.values(), start=1):
            lines = "".join(
                f'<row r="{r}">{"".join(_render_cell(f"{chr(65 + c)}{r}", cell) for c, cell in enumerate(row))}</row>'
                for r, row in enumerate(rows, start=1)
            )
            book.writestr(
                f"xl/worksheets/sheet{n}.xml", f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
            )


def _render_cell(place: str, cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, dt.datetime):
        return f'<c r="{place}" s="2"><v>{(cell - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)!r}</v></c>'  # noqa: DTZ001
    if isinstance(cell, dt.date):
        return f'<c r="{place}" s="1"><v>{(cell - dt.date(1899, 12, 30)).days}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{place}"><v>{cell!r}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{html.escape(cell)}</t></is></c>'


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


def written(lake: SourceProject, name: str, rows: pa.Table, **options: Any) -> None:
    """Write rows to a Delta table of the source; beside it first, since delta-rs cannot write to a path with [ in it."""
    staged = lake.root.parent / "staged" / name
    deltalake.write_deltalake(str(staged), rows, **options)
    shutil.copytree(staged, lake.source / name, dirs_exist_ok=True)


def as_delta(plain: Path, lake: SourceProject, arrow: Arrow) -> None:
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


def as_mixture(plain: Path, lake: SourceProject, arrow: Arrow) -> None:
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
