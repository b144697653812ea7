"""The contract of all sources: the same rows give the same sample, whatever they lie in."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import feather, orc

from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.sampler.draw import work_items
from sandbox.sources.discover import check_unchanged, list_configured_source
from sandbox.sources.open_table import attach_tables, open_table
from sandbox.sources.registry import ADAPTERS, build_select, get_adapter
from tests.integration.sources import memory_adapter, writers
from tests.integration.sources.conftest import ICEBERG_URI
from tests.integration.sources.server import PASSWORD
from tests.requirements import IN_CI

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest
    from tests.integration.sources.conftest import Arrow, Contents
    from tests.projects import SourceProject

NO_JAVA = pytest.mark.skipif(
    shutil.which("java") is None and not IN_CI,
    reason="there is no Java; to get it: tests/integration/sources/java.sh",
)


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writes the plain tables as one kind of source.

    Attributes:
        formats: The adapters that read it.
        has_empty_texts: Whether the format tells an empty text from NULL; `people` has both.
        write: Writes it, and returns the uri and more of ``[source]``; the fixture requests others by name.
    """

    formats: tuple[str, ...]
    write: Callable[[Path, SourceProject, Arrow, pytest.FixtureRequest], str | tuple[str, str]]
    has_empty_texts: bool = True


def _write_folder(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    shutil.copytree(plain, lake.source, dirs_exist_ok=True)
    return "source"


def _write_text(suffix: str) -> Callable[..., str]:
    def write(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
        writers.as_text(plain, lake, suffix)
        return "source"

    return write


def _write_arrays(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    for path in sorted(plain.glob("*.parquet")):
        writers.write(lake, f"{path.stem}.json.zst", f"from '{path}'", "(format json, array true, compression zstd)")
    return "source"


def _write_arrow(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    for path in sorted(plain.glob("*.parquet")):
        feather.write_feather(arrow(path), str(lake.source / f"{path.stem}.feather"), chunksize=100)
    return "source"


def _write_orc(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    for path in sorted(plain.glob("*.parquet")):
        rows = arrow(path)
        (lake.source / path.stem).mkdir()
        for part, start in enumerate(range(0, len(rows), 400)):
            orc.write_table(rows.slice(start, 400), str(lake.source / path.stem / f"{part}.orc"))
    return "source"


def _write_excel(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    for path in sorted(plain.glob("*.parquet")):
        rows = arrow(path)
        cells = [
            [str(cell) if isinstance(cell, Decimal) else cell for cell in row.values()] for row in rows.to_pylist()
        ]
        writers.write_workbook(lake.source / f"{path.stem}.xlsx", {"Sheet 1": [rows.column_names, *cells]})
    return "source"


def _write_partitions(form: str) -> Callable[..., str]:
    def write(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
        writers.partitioned(plain, lake.source, form)
        for file in lake.source.rglob("*.json"):
            file.rename(file.with_suffix(".jsonl"))
        return "source"

    return write


def _write_bucket(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    bucket = request.getfixturevalue("bucket")
    writers.as_mixture(plain, lake, arrow)
    bucket.upload(lake.source)
    uri: str = bucket.uri
    return uri


def _write_delta(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    writers.as_delta(plain, lake, arrow)
    return "source"


def _write_iceberg(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    writers.as_iceberg(plain, request.getfixturevalue("catalog"), arrow)
    return ICEBERG_URI


def _write_duckdb(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    writers.as_duckdb(plain, lake.root / "ware house.duckdb")
    return "ware house.duckdb"


def _write_sqlite(journal: str) -> Callable[..., str]:
    def write(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
        file = lake.root / "shop?#.sqlite"
        writers.as_sqlite(plain, file, arrow)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(f"pragma journal_mode = {journal}")
        return file.name

    return write


def _write_postgres(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    uri: str = request.getfixturevalue("filled").uri
    return uri


def _write_mariadb(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    mariadb = request.getfixturevalue("mariadb")
    mariadb.execute("drop database if exists shop", "create database shop")
    shop = replace(mariadb, database="shop")
    for path in sorted(plain.glob("*.parquet")):
        shop.put(path.stem, arrow(path), {"token": "char(36)", "price": "decimal(12, 2)"})
    uri: str = shop.uri
    return uri


def _write_snowflake(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    emulator = request.getfixturevalue("snowflake_emulator")
    for path in sorted(plain.glob("*.parquet")):
        emulator.put(path.stem, arrow(path), {"token": "char(36)", "price": "number(12, 2)"})
    uri: str = emulator.uri
    return uri


def _write_spark(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> tuple[str, str]:
    shutil.copytree(request.getfixturevalue("readable"), lake.source, dirs_exist_ok=True)
    cluster = request.getfixturevalue("cluster")
    return "source", f'engine = "spark"\n[source.spark]\nmaster = "{cluster.master}"\n'


def _keep_in_memory(plain: Path, lake: SourceProject, arrow: Arrow, request: pytest.FixtureRequest) -> str:
    adapter = memory_adapter.MemoryAdapter({path.stem: arrow(path) for path in sorted(plain.glob("*.parquet"))})
    request.getfixturevalue("monkeypatch").setitem(ADAPTERS, adapter.format, adapter)
    return memory_adapter.URI


WRITERS = {
    "parquet": Writer(formats=("parquet",), write=_write_folder),
    "csv": Writer(formats=("csv",), write=_write_text("csv")),
    "jsonl": Writer(formats=("jsonl",), write=_write_text("jsonl.gz")),
    "json arrays": Writer(formats=("jsonl",), write=_write_arrays),
    "arrow": Writer(formats=("arrow",), write=_write_arrow),
    "orc": Writer(formats=("orc",), write=_write_orc),
    "excel": Writer(formats=("excel",), write=_write_excel, has_empty_texts=False),
    "partitioned parquet": Writer(formats=("parquet",), write=_write_partitions("parquet")),
    "partitioned jsonl": Writer(formats=("parquet", "jsonl"), write=_write_partitions("json")),
    "bucket": Writer(formats=("parquet", "csv", "jsonl", "delta"), write=_write_bucket),
    "delta": Writer(formats=("delta",), write=_write_delta),
    "iceberg": Writer(formats=("iceberg",), write=_write_iceberg),
    "duckdb": Writer(formats=("duckdb",), write=_write_duckdb),
    "sqlite": Writer(formats=("sqlite",), write=_write_sqlite("delete")),
    "sqlite with a log": Writer(formats=("sqlite",), write=_write_sqlite("wal")),
    "postgres": Writer(formats=("postgres",), write=_write_postgres),
    "mariadb": Writer(formats=("mysql",), write=_write_mariadb),
    "snowflake emulator": Writer(formats=("snowflake",), write=_write_snowflake),
    "spark": Writer(formats=("spark",), write=_write_spark),
    "memory": Writer(formats=("memory",), write=_keep_in_memory),
}
MARKS: dict[str, tuple[pytest.MarkDecorator, ...]] = {"spark": (pytest.mark.slow, NO_JAVA)}


def test_every_adapter_is_in_the_suite() -> None:
    covered = {form for writer in WRITERS.values() for form in writer.formats}
    assert covered == {*ADAPTERS, "memory"}


@pytest.fixture(params=[pytest.param(kind, marks=MARKS.get(kind, ())) for kind in WRITERS])
def source(
    request: pytest.FixtureRequest, lake: SourceProject, plain: tuple[Path, SampleManifest], arrow: Arrow
) -> tuple[Writer, dict[str, Any]]:
    """A source of one kind with the plain tables, and what ``SourceProject.project`` needs for it."""
    writer = WRITERS[request.param]
    written = writer.write(plain[0], lake, arrow, request)
    uri, more = (written, "") if isinstance(written, str) else written
    return writer, {"uri": uri, "more": more}


def test_the_same_rows_give_the_same_sample(
    source: tuple[Writer, dict[str, Any]], lake: SourceProject, plain: tuple[Path, SampleManifest], contents: Contents
) -> None:
    _, manifest = lake.draw(**source[1])
    found, expected = contents(manifest), contents(plain[1])
    if not source[0].has_empty_texts:
        people = {"people", "visits"}
        assert {name: found[name] for name in found if name not in people} == {
            name: expected[name] for name in expected if name not in people
        }
        return
    assert found == expected
    assert manifest.fingerprint == plain[1].fingerprint
    assert PASSWORD not in manifest.to_json_text()


def test_an_opened_table_is_read_alike_in_every_session(
    source: tuple[Writer, dict[str, Any]], lake: SourceProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns, types, rows, row numbers and row groups agree with the table, in the session that opened it and in another."""
    monkeypatch.setattr(work_items, "MIN_BATCHES", 1)
    project = lake.project(**source[1])
    listing = list_configured_source(project.settings.source, base=lake.root)
    number = quote_identifier("row number")
    with closing(listing), Session(threads=2) as session, Session(threads=2) as other:
        tables = {
            name: open_table(session, listing, name, project.settings.tables[name]) for name in project.settings.tables
        }
        assert {table.format for table in tables.values()} == set(source[0].formats)
        attach_tables(other, tables.values())
        for table in tables.values():
            adapter, select = get_adapter(table), build_select(table)
            for reader in (session, other):
                described = reader.fetch_rows(f"describe {select}")
                assert {row[0]: row[1] for row in described} == dict(table.columns)
                assert reader.fetch_rows(f"select count(*) from ({select})") == [(table.rows,)]
            apart = [build_select(table, [file], number="row number") for file in range(len(table.files))]
            counts = [other.fetch_rows(f"select count(*), count(distinct {number}) from ({each})")[0] for each in apart]
            assert all(rows == numbers for rows, numbers in counts)
            assert sum(rows for rows, _ in counts) == table.rows
            for item in work_items.list_items(table, {}, adapter.list_read_groups(table), 2**30):
                names = ", ".join(map(quote_identifier, table.columns))
                at_once = build_select(table, item.files, number="row number")
                rows = other.fetch_rows(f"select {names} from ({at_once}) order by {number}")
                each = [f"(select {names} from ({apart[index]}) order by {number})" for index in item.files]
                assert rows == [row for select in each for row in other.fetch_rows(select)]
            groups = adapter.read_row_groups(table, 0)
            assert bool(groups) <= adapter.has_row_numbers(table)
            assert not groups or sum(map(sum, groups.values())) >= table.rows
        check_unchanged(listing, tables)
        assert set(dict(get_adapter(table).list_declared_tables(listing))) <= set(listing.files)
