"""What a run left, whatever it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.errors import PipelineError
from sandbox.runner.output_records import find_damage, list_output_tables
from sandbox.runner.outputs import collect_outputs

if TYPE_CHECKING:
    from pathlib import Path

TABLE = pa.table({"id": [1, 2, 3], "name": ["a", None, "ü"]})


def test_files_folders_and_database_tables_are_outputs(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "one.parquet")
    (tmp_path / "many").mkdir()
    for part in range(2):
        pq.write_table(TABLE, tmp_path / "many" / f"part-{part}.parquet")
    (tmp_path / "text.csv").write_text("a,b\n1,x\n")
    with duckdb.connect(tmp_path / "made.duckdb") as connection:
        connection.execute('create table "in side" as select 1 as x union all select 2; create view v as select 1')
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.txt").write_text("not a table")
    outputs = collect_outputs(tmp_path, paths={})
    assert {name: output.rows for name, output in outputs.items()} == {
        "in side": 2,
        "many": 6,
        "one": 3,
        "text": 1,
    }
    assert outputs["one"].columns == {"id": "BIGINT", "name": "VARCHAR"}
    assert [path.name for path in list_output_tables(tmp_path, outputs)["many"].paths] == [
        "part-0.parquet",
        "part-1.parquet",
    ]


def test_declared_path_gives_an_output_its_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    pq.write_table(TABLE, tmp_path / "deep" / "x.parquet")
    assert set(collect_outputs(tmp_path, paths={"value": "deep/x.parquet"})) >= {"value"}
    with pytest.raises(PipelineError, match=r"output other: the run left no y\.parquet"):
        collect_outputs(tmp_path, paths={"other": "y.parquet"})


def test_no_output_says_where_to_write(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="left no output") as caught:
        collect_outputs(tmp_path, paths={})
    assert "$SANDBOX_OUTPUT" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_broken_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "value.parquet").write_bytes(content)
    with pytest.raises(PipelineError, match="output value cannot be read"):
        collect_outputs(tmp_path, paths={})


@pytest.mark.parametrize("content", ["a,b\n1,2\n3,4,5\n", "a,b\n1,2\n3\n", 'a,b\n1,"x\n2,3\n'])
def test_csv_with_a_broken_line_is_named_and_never_read_in_part(tmp_path: Path, content: str) -> None:
    (tmp_path / "value.csv").write_text(content)
    with pytest.raises(PipelineError, match="output value cannot be read"):
        collect_outputs(tmp_path, paths={})


def test_csv_is_read_whole_whatever_its_delimiter(tmp_path: Path) -> None:
    (tmp_path / "value.csv").write_text('id;note\n1;"a;b"\n2;# no comment\n3;\n')
    (tmp_path / "one.csv").write_text("id\n1\n\n2\n")
    outputs = collect_outputs(tmp_path, paths={})
    assert (outputs["value"].rows, outputs["value"].columns) == (3, {"id": "BIGINT", "note": "VARCHAR"})
    assert outputs["one"].rows == 3


def test_broken_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "value.duckdb").write_bytes(b"nonsense" * 1000)
    with pytest.raises(PipelineError, match=r"output value\.duckdb cannot be read"):
        collect_outputs(tmp_path, paths={})


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


def test_pipe_does_not_hang_the_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(PipelineError, match="is a link or a device"):
        collect_outputs(tmp_path, paths={})


def test_changed_and_missing_files_are_found(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    outputs = collect_outputs(tmp_path, paths={})
    assert find_damage(tmp_path, outputs) is None
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[10] ^= 1
    (tmp_path / "a.parquet").write_bytes(content)
    assert "was changed" in (find_damage(tmp_path, outputs) or "")
    (tmp_path / "a.parquet").unlink()
    assert "is missing" in (find_damage(tmp_path, outputs) or "")


@pytest.mark.parametrize("name", ["it's", 'quo"te', "br[ack]ets", "st*r", "ünï cödé 🎉"])
def test_odd_names_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    pq.write_table(TABLE, tmp_path / f"{name}.parquet")
    assert collect_outputs(tmp_path, paths={})[name].rows == 3
