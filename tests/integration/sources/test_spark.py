"""Spark reads a source: a standalone cluster with two workers, and Connect; the same rows as without it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.engine.spark import table
from sandbox.engine.spark.cluster import SparkCluster, SparkEndpoint
from sandbox.errors import ConfigError, DataRuleError, SourceError
from tests.integration.sources.projects import BASEBALL, BASEBALL_TABLES, sampled
from tests.prn_vectors import check_vectors
from tests.requirements import IN_CI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest
    from tests.integration.sources.cluster import Cluster
    from tests.integration.sources.conftest import Contents
    from tests.projects import SourceProject

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("java") is None and not IN_CI,
        reason="there is no Java; to get it: tests/integration/sources/java.sh",
    ),
]


def spark(cluster: Cluster) -> str:
    return f'engine = "spark"\n[source.spark]\nmaster = "{cluster.master}"\n'


def test_keys_of_every_kind_give_the_sample_of_the_plain_tables_and_other_rows_stay_where_they_are(
    lake: SourceProject,
    cluster: Cluster,
    readable: Path,
    plain: tuple[Path, SampleManifest],
    contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first draw on the cluster: its driver and executors start, and about eighty reads warm them up."""
    shutil.copytree(readable, lake.source, dirs_exist_ok=True)
    came: dict[str, int] = {}
    frame = table.SparkTable.build_frame

    def counted(self: table.SparkTable, files: Any, narrowed: bool) -> Any:
        found = frame(self, files, narrowed)
        if narrowed and self.condition is not None:
            came[self.name] = came.get(self.name, 0) + found.count()
        return found

    monkeypatch.setattr(table.SparkTable, "build_frame", counted)
    _, manifest = lake.draw(more=spark(cluster))
    assert contents(manifest) == contents(plain[1])
    assert manifest.fingerprint == plain[1].fingerprint
    tables = {name: one.rows for name, one in manifest.tables.items()}
    for name in ("words", "days", "lines", "parts"):
        assert tables[name] <= came[name] <= tables[name] * 1.2, name
    assert came["visits"] < 2000


def test_columns_in_the_names_of_folders(lake: SourceProject, cluster: Cluster, readable: Path) -> None:
    with duckdb.connect() as connection:
        source, place = str(readable / "words.parquet"), str(lake.source / "words").replace("'", "''")
        connection.execute(f"copy (from '{source}') to '{place}' (format parquet, partition_by (class))")
    sections = '[sample]\nunit = "words"\nstrata = ["class"]\nrate = 0.3\n[tables.words]\nkey = ["word"]\n'
    _, expected = lake.draw(sections)
    shutil.rmtree(lake.home)
    _, manifest = lake.draw(sections, more=spark(cluster))
    assert manifest.fingerprint == expected.fingerprint
    assert manifest.tables["words"].rows > 100


def test_a_worker_that_is_killed_in_the_middle_of_a_draw_changes_nothing(
    lake: SourceProject,
    cluster: Cluster,
    readable: Path,
    plain: tuple[Path, SampleManifest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(readable, lake.source, dirs_exist_ok=True)
    killed, ended = threading.Event(), threading.Event()
    frame = table.SparkTable.build_frame

    def kill_while_it_reads(session: Any) -> None:
        while not ended.is_set():
            if session.sparkContext.statusTracker().getActiveStageIds():
                os.killpg(cluster.processes["worker-0"].pid, signal.SIGKILL)
                killed.set()
                return

    def watched(self: table.SparkTable, files: Any, narrowed: bool) -> Any:
        if narrowed and not watchers:
            watchers.append(threading.Thread(target=kill_while_it_reads, args=[self.cluster.spark]))
            watchers[0].start()
        return frame(self, files, narrowed)

    watchers: list[threading.Thread] = []
    monkeypatch.setattr(table.SparkTable, "build_frame", watched)
    try:
        _, manifest = lake.draw(more=spark(cluster))
    finally:
        ended.set()
        for watcher in watchers:
            watcher.join()
        if killed.is_set():
            cluster.processes["worker-0"].wait()
            cluster.worker(0)
    assert killed.is_set()
    assert manifest.fingerprint == plain[1].fingerprint


def with_spark(project: Path, where: str) -> None:
    file = project / "sandbox.toml"
    text = file.read_text("utf-8").replace("[source]\n", '[source]\nengine = "spark"\n', 1)
    file.write_text(f"{text}\n[source.spark]\n{where}\n", "utf-8")


def test_the_demo_by_connect(drawn_demo: tuple[Path, str], tmp_path: Path, cluster: Cluster) -> None:
    """A Connect server starts, and the command reads each table of the demo several times."""
    demo, expected = drawn_demo
    project = shutil.copytree(demo, tmp_path / demo.name)
    with_spark(project, f'remote = "{cluster.connect()}"')
    assert sampled(project, tmp_path / "home")["fingerprint"] == expected


def test_the_published_vectors(cluster: Cluster) -> None:
    with contextlib.closing(SparkCluster(SparkEndpoint(remote=None, master=cluster.master))) as opened:
        check_vectors(lambda query: opened.spark.sql(query).collect(), "databricks")


def test_baseball_by_a_cluster(tmp_path: Path, cluster: Cluster, baseball: Path) -> None:
    """The command starts a driver and executors of its own."""
    project = tmp_path / "baseball"
    (project / "core").mkdir(parents=True)
    with duckdb.connect() as connection:
        for name in BASEBALL_TABLES:
            target = project / "core" / f"{name}.parquet"
            connection.execute(f"copy (from '{baseball / name}.csv') to '{target}' (format parquet)")
    (project / "sandbox.toml").write_text(BASEBALL, "utf-8")
    expected = sampled(project, tmp_path / "first")["fingerprint"]
    shutil.rmtree(project / ".sandbox")
    with_spark(project, f'master = "{cluster.master}"')
    assert sampled(project, tmp_path / "second")["fingerprint"] == expected


def test_a_cluster_that_is_not_there(lake: SourceProject, readable: Path) -> None:
    shutil.copytree(readable, lake.source, dirs_exist_ok=True)
    for where in ('remote = "sc://127.0.0.1:1"', 'master = "spark://127.0.0.1:1"'):
        with pytest.raises(SourceError, match=r"127\.0\.0\.1:1 cannot be reached: connection refused") as caught:
            lake.draw(more=f'engine = "spark"\n[source.spark]\n{where}\n')
        assert "[source.spark]" in caught.value.hint


def test_a_machine_without_java(lake: SourceProject, readable: Path, tmp_path: Path) -> None:
    shutil.copytree(readable, lake.source, dirs_exist_ok=True)
    lake.project(more='engine = "spark"\n')
    variables = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    for program in ("bash", "dirname", "ls", "git", "env", "cat", "head", "sed", "tr", "basename"):
        if (found := shutil.which(program)) is not None:
            (tmp_path / program).symlink_to(found)
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "plan"],
        cwd=lake.root,
        env={**variables, "PATH": str(tmp_path), "SANDBOX_HOME": str(lake.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == SourceError.status
    assert "there is no Java of 17 or later here" in done.stderr


def test_what_spark_does_not_read(lake: SourceProject, cluster: Cluster, tmp_path: Path) -> None:
    (lake.source / "words.csv").write_text("word,class\na,1\n", "utf-8")
    with pytest.raises(SourceError, match='words is csv; engine = "spark"'):
        lake.draw('[sample]\nunit = "words"\nrate = 0.5\n[tables.words]\nkey = ["word"]\n', more=spark(cluster))
    place = tmp_path / "some.duckdb"
    with duckdb.connect(str(place)) as connection:
        connection.execute("create table words as select 'a' as word")
    with pytest.raises(ConfigError, match="reads folders and buckets of Parquet"):
        lake.draw(uri=str(place), more=spark(cluster))


def test_executors_whose_python_dies_or_that_do_not_see_a_file(cluster: Cluster, tmp_path: Path) -> None:
    def die(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            os.kill(os.getpid(), signal.SIGKILL)
        return batches

    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    opened = SparkCluster(SparkEndpoint(remote=None, master=cluster.master))
    rows = opened.read_parquet([str(tmp_path / "a.parquet")])
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(SourceError, match=r"does not see a file of the source: .*a\.parquet"):
        opened.fetch_table(rows)
    with pytest.raises(SourceError, match=r"the Python of an executor of Spark at .* ended unexpectedly") as caught:
        opened.fetch_table(opened.spark.range(1).mapInArrow(die, "id bigint"))
    assert caught.value.lost
    opened.close()


def test_a_type_that_spark_has_not_is_said_by_its_column(
    lake: SourceProject, plain: tuple[Path, SampleManifest], cluster: Cluster
) -> None:
    shutil.copytree(plain[0], lake.source, dirs_exist_ok=True)
    with pytest.raises(SourceError, match=r"(?i)spark.*(uuid|token)"):
        lake.draw(more=spark(cluster))


@pytest.mark.parametrize(
    ("key", "where"),
    [("id", "cast(note as integer) > 3"), ("id", "id / cast(right(note, 0) as integer) > 3"), ("email", "id > 0")],
)
def test_errors_of_spark_show_no_value_of_a_masked_column(
    lake: SourceProject, cluster: Cluster, key: str, where: str
) -> None:
    canary = "zqcanary"
    query = f"select range as id, '{canary}' || range % 5 || '@x.example' as email, '{canary} ' || range as note from range(40)"
    lake.copy("people.parquet", query)
    sections = f'[sample]\nunit = "people"\nrate = 0.5\n[tables.people]\nkey = ["{key}"]\nwhere = "{where}"\n'
    with pytest.raises((SourceError, DataRuleError)) as caught:
        lake.draw(f'{sections}[tables.people.mask]\nemail = "key"\nnote = "redact"\n', more=spark(cluster))
    assert canary not in f"{caught.value.message} {caught.value.hint}"
    assert [path for path in lake.home.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()] == []
