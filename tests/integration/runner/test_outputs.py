"""What a run left, whatever it is: every file is part of a table, an artifact, or named as not compared."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.feather as pf
import pyarrow.orc as po
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, compare_tables
from sandbox.compare.reading.table_arguments import resolve_table
from sandbox.engine.duckdb.session import Session
from sandbox.errors import PipelineError
from sandbox.manifest.run import RunRecord
from sandbox.model import SilentProgress
from sandbox.runner.output_records import find_damage, list_output_tables
from sandbox.runner.outputs import CollectedOutputs, collect_outputs
from sandbox.runner.programs.database import build_statements
from sandbox.tables.database_tables import SampleFolder
from sandbox.tables.table_opening import open_table

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = pa.table({"id": [1, 2, 3], "name": ["a", None, "ü"]})
ROWS = TABLE.to_pylist()
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def _compress(path: Path, content: bytes, kind: str) -> None:
    with pa.CompressedOutputStream(str(path), kind) as stream:
        stream.write(content)


def _write_arrow_stream(path: Path) -> None:
    with pa.ipc.new_stream(str(path), TABLE.schema) as writer:
        writer.write_table(TABLE)


def _to_csv(delimiter: str = ",") -> bytes:
    sink = pa.BufferOutputStream()
    pc.write_csv(TABLE, sink, pc.WriteOptions(delimiter=delimiter))
    return bytes(sink.getvalue())


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.parquet": lambda path: pq.write_table(TABLE, path),
    "a.PQ": lambda path: pq.write_table(TABLE, path, compression="brotli"),
    "a.csv": lambda path: path.write_bytes(_to_csv()),
    "a.CSV.gz": lambda path: path.write_bytes(gzip.compress(_to_csv())),
    "a.csv.zst": lambda path: _compress(path, _to_csv(";"), "zstd"),
    "a.tsv": lambda path: path.write_bytes(_to_csv("\t")),
    "a.tsv.GZ": lambda path: path.write_bytes(gzip.compress(_to_csv("\t"))),
    "a.jsonl": lambda path: path.write_text(LINES, "utf-8"),
    "a.ndjson.gz": lambda path: path.write_bytes(gzip.compress(LINES.encode())),
    "a.json": lambda path: path.write_text(json.dumps(ROWS), "utf-8"),
    "a.JSON.zst": lambda path: _compress(path, json.dumps(ROWS).encode(), "zstd"),
    "a.arrow": lambda path: pf.write_feather(TABLE, str(path), compression="uncompressed"),
    "a.ipc": lambda path: pf.write_feather(TABLE, str(path), compression="zstd"),
    "a.feather": lambda path: pf.write_feather(TABLE, str(path), compression="lz4"),
    "a.arrows": _write_arrow_stream,
    "a.orc": lambda path: po.write_table(TABLE, str(path), compression="zstd"),
    "a": lambda path: deltalake.write_deltalake(str(path), TABLE),
    "a.parquet/part-0.snappy.parquet": lambda path: pq.write_table(TABLE, path),
    "a.csv/part-00000-1f.csv": lambda path: path.write_bytes(_to_csv()),
    "a.json/part-00000-1f.json": lambda path: path.write_text(LINES, "utf-8"),
    "a/0.orc": lambda path: po.write_table(TABLE, str(path)),
}


def _read(folder: Path, found: CollectedOutputs, name: str) -> list[tuple[object, ...]]:
    with Session() as session:
        source = open_table(session, list_output_tables(folder, found.outputs)[name], name, doing="reading")
        return session.fetch_rows(f"select * from {source} order by all")


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_read_whole(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    WRITERS[name](tmp_path / name)
    (tmp_path / name).with_name("_SUCCESS").write_text("")
    (tmp_path / name).with_name(f".{Path(name).name}.crc").write_text("crc")
    found = collect_outputs(tmp_path, paths={})
    assert _read(tmp_path, found, "a") == [(1, "a"), (2, None), (3, "ü")]
    assert (found.outputs["a"].rows, list(found.outputs["a"].columns)) == (3, ["id", "name"])
    assert (set(found.outputs), found.artifacts, found.not_compared) == ({"a"}, {}, {})


def test_files_of_a_folder_are_one_table_and_deeper_ones_their_own(tmp_path: Path) -> None:
    for file in ("many/x.parquet", "many/y.parquet", "marts/core/sales.parquet", "marts/core/Costs.CSV",
                 "marts/core/parts/part-0.parquet", "marts/core/parts/part-1.parquet", "marts/core/s.parquet/7.parquet",
                 "top.parquet"):  # fmt: skip
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.endswith("CSV"):
            path.write_bytes(_to_csv())
        else:
            pq.write_table(TABLE, path)
    found = collect_outputs(tmp_path, paths={})
    assert {name: output.rows for name, output in found.outputs.items()} == {
        "many": 6,
        "marts/core/Costs": 3,
        "marts/core/parts": 6,
        "marts/core/s": 3,
        "marts/core/sales": 3,
        "top": 3,
    }
    assert not found.artifacts


def _write_rows(path: Path, rows: dict[str, list[Any]]) -> None:
    """Write rows in the format of a file's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(rows)
    match path.suffix:
        case ".csv":
            pc.write_csv(table, path)
        case ".jsonl":
            path.write_text("".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()), "utf-8")
        case ".orc":
            po.write_table(table, str(path))
        case ".arrow":
            pf.write_feather(table, str(path))
        case ".arrows":
            with pa.ipc.new_stream(str(path), table.schema) as writer:
                writer.write_table(table)
        case _:
            pq.write_table(table, path)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "arrow", "arrows", "orc"])
def test_column_that_contradicts_its_folder_is_there_twice(tmp_path: Path, suffix: str) -> None:
    """Readers take the value of the folder, so that a file in another folder is a change, whatever it holds itself."""
    for table, folders in {"t": ("1", "2"), "moved": ("1", "3")}.items():
        for number, folder in enumerate(folders, 1):
            rows: dict[str, list[Any]] = {"id": [number], "day": [number], "land": ["a"]}
            _write_rows(tmp_path / table / f"day=0{folder}" / "land=a" / f"0.{suffix}", rows)
    found = collect_outputs(tmp_path, paths={})
    assert [*found.outputs["t"].columns] == ["id", "day", "land"]
    assert [*found.outputs["moved"].columns] == ["id", "day", "land", "day="]
    assert [row[-1] for row in _read(tmp_path, found, "moved")] == ["01", "03"]
    tables = list_output_tables(tmp_path, found.outputs)
    rules, options = {"t": OutputRules(key=("id",))}, {"memory": 2**28, "threads": 1, "progress": SilentProgress()}
    compared = compare_tables(
        {"t": tables["t"]},
        {"t": tables["moved"]},
        rules=rules,
        units={},
        identical=(),
        **options,  # type: ignore[arg-type]
    )["t"]
    assert compared.schema_.added == ["day="]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "arrow", "arrows", "orc"])
def test_partitions_are_columns(tmp_path: Path, suffix: str) -> None:
    for step, value in (("country=DE", 1), ("country=a%2Fb", 2), ("country=__HIVE_DEFAULT_PARTITION__", 3)):
        folder = tmp_path / "deep" / "sales" / step / "day=2024-02-29"
        folder.mkdir(parents=True)
        _write_rows(folder / f"0.{suffix}", {"id": [value]})
    found = collect_outputs(tmp_path, paths={})
    assert list(found.outputs) == ["deep/sales"]
    assert list(found.outputs["deep/sales"].columns) == ["id", "country", "day"]
    day = "2024-02-29"
    assert _read(tmp_path, found, "deep/sales") == [(1, "DE", day), (2, "a/b", day), (3, None, day)]
    with Session() as session:
        source = open_table(session, resolve_table(str(tmp_path / "deep" / "sales")), "a", doing="reading")
        assert len(session.fetch_rows(f"select country from {source}")) == 3


def test_partitions_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for step in ("a=1/b=2", "a=1"):
        (tmp_path / "t" / step).mkdir(parents=True, exist_ok=True)
        pq.write_table(TABLE, tmp_path / "t" / step / "0.parquet")
    with pytest.raises(PipelineError, match="folders of the same columns"):
        collect_outputs(tmp_path, paths={})


def test_lakes_are_read_at_their_current_version(tmp_path: Path) -> None:
    place = str(tmp_path / "sales")
    deltalake.write_deltalake(place, TABLE, partition_by=["name"])
    deltalake.write_deltalake(place, TABLE.slice(0, 1), mode="overwrite")
    pq.write_table(TABLE, tmp_path / "sales" / "beside.parquet")
    found = collect_outputs(tmp_path, paths={})
    assert _read(tmp_path, found, "sales") == [(1, "a")]
    assert (list(found.outputs), list(found.artifacts)) == (["sales"], ["sales/beside.parquet"])
    assert found.artifacts["sales/beside.parquet"].reason == "the log of sales does not name it"


def test_iceberg_folder_is_read_wherever_it_lies_now(tmp_path: Path) -> None:
    from pyiceberg.catalog.sql import SqlCatalog  # noqa: PLC0415

    made = tmp_path / "made"
    made.mkdir()
    catalog = SqlCatalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=made.as_uri())
    catalog.create_namespace("n")
    table = catalog.create_table("n.sales", schema=TABLE.schema)
    table.append(TABLE)
    table.delete("id = 2")
    catalog.close()
    output = tmp_path / "output"
    output.mkdir()
    next(path for path in made.rglob("sales") if path.is_dir()).rename(output / "sales")
    found = collect_outputs(output, paths={})
    assert _read(output, found, "sales") == [(1, "a"), (3, "ü")]
    assert not found.artifacts
    pq.write_table(TABLE, output / "sales" / "data" / "beside.parquet")
    assert list(collect_outputs(output, paths={}).artifacts) == ["sales/data/beside.parquet"]


def test_log_of_a_lake_that_names_other_files_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    deltalake.write_deltalake(str(secret), TABLE)
    stolen = next(secret.glob("*.parquet"))
    output = tmp_path / "output"
    deltalake.write_deltalake(str(output / "t"), TABLE)
    for log in (output / "t" / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        for action in actions:
            if "add" in action:
                action["add"]["path"] = stolen.as_uri()
        log.write_text("\n".join(json.dumps(action) for action in actions), "utf-8")
    found = collect_outputs(output, paths={})
    assert (found.outputs, list(found.not_compared)) == ({}, ["t"])


def test_anything_else_is_an_artifact(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    contents = {
        "model.pkl": b"weights",
        "reports/plot.png": b"\x89PNG",
        "metrics.json": b'{"rmse": 0.5}',
        "numbers.json": b"[1, 2]",
        "mixed.jsonl": b'{"a": 1}\n3\n',
        "broken.parquet": b"PAR1" + bytes(100) + b"PAR1",
        "broken.csv": b"a,b\n1,2\n3,4,5\n",
        "open.csv": b'a,b\n1,"x\n2,3\n',
        "broken.arrow": b"ARROW1 no",
        "broken.orc": b"ORC",
        "broken.duckdb": b"nonsense" * 1000,
        "broken.csv.gz": b"no gzip",
        "broken.sqlite": b"SQLite format 3\0nonsense",
        "empty.csv": b"",
        "empty.json": b"",
        "mark.csv": b"\xef\xbb\xbf",
        "empty.csv.gz": gzip.compress(b""),
        "twice.json": b'[{"a": 1, "a": 2}]',
        "nested.jsonl": b'{"a": [{"b": 1, "b": 1}]}\n',
        "digits.jsonl": b'{"a": 123456789012345678901234567890, "a": 2}\n',
        ".hidden": b"x",
        "many/notes.txt": b"text",
        "many/_part.parquet": b"hidden from readers",
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = collect_outputs(tmp_path, paths={})
    assert list(found.outputs) == ["a"]
    assert set(found.artifacts) == set(contents)
    assert found.artifacts["broken.csv"].output == "broken"
    assert found.artifacts["broken.csv"].reason == "cannot be read as CSV"
    assert found.artifacts["model.pkl"].reason is None


@pytest.mark.parametrize(("suffix", "content"), [("csv", b"id,x\n1,2\n"), ("json", b'{"id": 1}\n')])
def test_empty_parts_of_a_table_are_artifacts(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / "many").mkdir()
    for number, part in enumerate((b"", content, b"")):
        (tmp_path / "many" / f"part-{number}.{suffix}").write_bytes(part)
    found = collect_outputs(tmp_path, paths={})
    assert found.outputs["many"].rows == 1
    assert {path: (artifact.output, artifact.reason) for path, artifact in found.artifacts.items()} == {
        f"many/part-0.{suffix}": (None, "is empty"),
        f"many/part-2.{suffix}": (None, "is empty"),
    }


def test_files_of_a_table_with_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a.csv").write_text("id,x\n1,2\n")
    (tmp_path / "many" / "b.csv").write_text("id,x,y\n1,2,3\n")
    with pytest.raises(PipelineError, match=r"output many: b\.csv does not have the columns of a\.csv") as caught:
        collect_outputs(tmp_path, paths={})
    assert "[outputs.NAME] path" in caught.value.hint
    found = collect_outputs(tmp_path, paths={"one": "many/a.csv", "two": "many/b.csv"})
    assert set(found.outputs) == {"one", "two"}


def test_every_schema_of_a_database_is_read_and_views_are_named(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "made.duckdb") as connection:
        connection.execute('create table "in side" as select 1 as x; create schema marts')
        connection.execute(
            "create table marts.sales as select 2 as x; create view marts.v as select * from marts.sales"
        )
    lite = sqlite3.connect(tmp_path / "lite.db")
    lite.executescript("create table mixed (x); insert into mixed values (1), ('1'), (1.5), (x'31'), (null)")
    lite.execute("create view w as select * from mixed")
    lite.commit()
    lite.close()
    found = collect_outputs(tmp_path, paths={})
    assert set(found.outputs) == {"in side", "marts.sales", "mixed"}
    assert _read(tmp_path, found, "marts.sales") == [(2,)]
    assert len(set(_read(tmp_path, found, "mixed"))) == 5
    assert set(found.not_compared) == {"made.duckdb:marts.v", "lite.db:w"}


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_log_beside_a_database_is_part_of_it(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "output"
    output.mkdir()
    program = f"""
import {"duckdb" if kind == "duckdb" else "sqlite3"} as engine, os
connection = engine.connect({str(output / f"a.{kind}")!r})
if {kind == "sqlite"}: connection.execute("pragma journal_mode = wal").fetchall()
connection.execute("create table t as select 1 as x")
connection.commit()
connection.execute("insert into t values (2)")
connection.commit()
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert len(list(output.iterdir())) > 1
    found = collect_outputs(output, paths={})
    assert [path.name for path in output.iterdir()] == [f"a.{kind}"]
    assert (found.outputs["t"].rows, found.artifacts) == (2, {})
    record = _record(found)
    assert find_damage(tmp_path, record) is None
    (output / f"a.{kind}.wal").write_bytes(b"forged")
    assert "was added" in (find_damage(tmp_path, record) or "")


def test_only_views_of_whole_tables_of_the_sample_are_sandboxs_own(tmp_path: Path) -> None:
    folder = tmp_path / "it's a sample" / "marts.orders"
    folder.mkdir(parents=True)
    for name in ("a[1].parquet", "b, c.parquet"):
        pq.write_table(TABLE, folder / name)
    sample = SampleFolder(path=str(folder.parent), files={"marts.orders": 2})
    with duckdb.connect() as connection:
        for statement in build_statements(folder.parent):
            connection.execute(statement)
        one = str(folder / "b, c.parquet").replace("'", "''")
        connection.execute(f"create view part as from read_parquet(['{one}'], hive_partitioning = false)")
        connection.execute(f"create view orders as from read_parquet(['{one}'], hive_partitioning = false)")
        connection.execute("create view few as from marts.orders where id > 1")
        views = connection.execute(
            "select schema_name, view_name, sql from duckdb_views() where not internal"
        ).fetchall()
    shown = {(schema, name): sample.is_shown_by(name, sql) for schema, name, sql in views}
    assert shown == {
        ("marts", "orders"): True,
        ("main", "orders"): False,
        ("main", "part"): False,
        ("main", "few"): False,
    }


def test_log_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "a.duckdb") as connection:
        connection.execute("create table t as select 1 as x")
    (tmp_path / "a.duckdb.wal").write_bytes(b"no log of DuckDB" * 10)
    with pytest.raises(PipelineError, match=r"a\.duckdb has a write-ahead log that cannot be read"):
        collect_outputs(tmp_path, paths={})


def _record(found: CollectedOutputs) -> RunRecord:
    fields: dict[str, Any] = {"logs": [], **vars(found)}
    return RunRecord.model_construct(**fields)


def test_declared_path_gives_an_output_its_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    pq.write_table(TABLE, tmp_path / "deep" / "x.parquet")
    assert set(collect_outputs(tmp_path, paths={"value": "deep/x.parquet"}).outputs) == {"value"}
    with pytest.raises(PipelineError, match=r"output other: the run left no y\.parquet"):
        collect_outputs(tmp_path, paths={"other": "y.parquet"})


def test_no_output_says_where_to_write(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="left no output") as caught:
        collect_outputs(tmp_path, paths={})
    assert "$SANDBOX_OUTPUT" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all"])
def test_broken_file_that_the_settings_name_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "value.parquet").write_bytes(content)
    with pytest.raises(PipelineError, match="output named cannot be read"):
        collect_outputs(tmp_path, paths={"named": "value.parquet"})


def test_csv_is_read_whole_whatever_its_delimiter(tmp_path: Path) -> None:
    (tmp_path / "value.csv").write_text('id;note\n1;"a;b"\n2;# no comment\n3;\n')
    (tmp_path / "one.csv").write_text("id\n1\n\n2\n")
    outputs = collect_outputs(tmp_path, paths={}).outputs
    assert (outputs["value"].rows, outputs["value"].columns) == (3, {"id": "BIGINT", "note": "VARCHAR"})
    assert outputs["one"].rows == 3


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(PipelineError, match="two outputs are called a"):
        collect_outputs(tmp_path, paths={})


def test_link_is_not_followed_out_of_the_run(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    output = tmp_path / "output"
    output.mkdir()
    (output / "stolen.csv").symlink_to(secret)
    with pytest.raises(PipelineError, match="is a link or a device"):
        collect_outputs(output, paths={})
    (output / "stolen.csv").unlink()
    (output / "folder").mkdir()
    (output / "folder" / "x.parquet").symlink_to(secret)
    with pytest.raises(PipelineError, match="is a link or a device"):
        collect_outputs(output, paths={})


def test_name_that_no_record_can_hold_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.txt")).write_text("x")
    with pytest.raises(PipelineError, match="not UTF-8"):
        collect_outputs(tmp_path, paths={})


def test_hard_links_stay_in_the_output_folder(tmp_path: Path) -> None:
    """Another name of a file could change it after it was compared."""
    output = tmp_path / "output"
    output.mkdir()
    pq.write_table(TABLE, output / "a.parquet")
    os.link(output / "a.parquet", output / "b.parquet")
    assert set(collect_outputs(output, paths={}).outputs) == {"a", "b"}
    os.link(output / "a.parquet", tmp_path / "elsewhere.parquet")
    with pytest.raises(PipelineError, match=r"\.parquet is a hard link to a file outside"):
        collect_outputs(output, paths={})


def test_very_many_files_and_tables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"{number}.csv").write_text(f"a\n{number}\n")
    monkeypatch.setattr("sandbox.tables.classification.MAX_TABLES", 4)
    with pytest.raises(PipelineError, match="more than 4 outputs"):
        collect_outputs(tmp_path, paths={})
    monkeypatch.setattr("sandbox.tables.folder_contents.MAX_FILES", 4)
    with pytest.raises(PipelineError, match="left 5 files, and at most 4"):
        collect_outputs(tmp_path, paths={})


def test_closed_files_and_folders_are_opened(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    for file in (tmp_path / "closed" / "part-0.csv", tmp_path / "a.csv"):
        file.write_text("a\n1\n")
        file.chmod(0)
    (tmp_path / "closed").chmod(0)
    assert {name: output.rows for name, output in collect_outputs(tmp_path, paths={}).outputs.items()} == {
        "a": 1,
        "closed": 1,
    }
    assert [path.stat().st_mode & 0o400 for path in tmp_path.rglob("*.csv")] == [0o400, 0o400]


def test_folder_of_an_empty_log_is_no_table(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    assert set(collect_outputs(tmp_path, paths={}).outputs) == {"a"}


def test_pipe_does_not_hang_the_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(PipelineError, match="is a link or a device"):
        collect_outputs(tmp_path, paths={})


def test_changed_missing_and_added_files_are_found(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    pq.write_table(TABLE, output / "a.parquet")
    (output / "model.pkl").write_bytes(b"weights")
    duckdb.connect(output / "empty.duckdb").close()
    (output / "_dbt").mkdir()
    (output / "_dbt" / "nodes.json").write_text("{}")
    record = _record(collect_outputs(output, paths={}, skipped=("_dbt",)))
    assert not any(name.startswith("_dbt") for name in (*record.outputs, *record.artifacts))
    assert find_damage(tmp_path, record) is None
    for added in ("more.txt", "_dbt/more.json"):
        (output / added).write_text("")
        assert "was added" in (find_damage(tmp_path, record) or "")
        (output / added).unlink()
    for name in ("a.parquet", "model.pkl", "empty.duckdb", "_dbt/nodes.json"):
        before = (output / name).read_bytes()
        (output / name).write_bytes(bytes([before[0] ^ 1]) + before[1:])
        assert "was changed" in (find_damage(tmp_path, record) or "")
        (output / name).unlink()
        assert "is missing" in (find_damage(tmp_path, record) or "")
        (output / name).write_bytes(before)


@pytest.mark.parametrize("name", ["it's", 'quo"te', "br[ack]ets", "st*r", "ünï cödé 🎉"])
def test_odd_names_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    pq.write_table(TABLE, tmp_path / f"{name}.parquet")
    assert collect_outputs(tmp_path, paths={}).outputs[name].rows == 3
