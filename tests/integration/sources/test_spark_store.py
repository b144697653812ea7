"""The workers of a cluster write the sample into the store: the same sample as one that is drawn here, and its rows never come."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import venv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pyarrow import fs

from sandbox.engine.spark import executor_tasks
from sandbox.errors import SourceError, StoreError
from sandbox.model import SilentProgress
from sandbox.project import sharing
from sandbox.project.profiled_sample import ensure_profiled_sample
from sandbox.project.sample import ensure_sample
from sandbox.samples.catalog import read_requested_fingerprint
from sandbox.samples.verify import verify_sample
from sandbox.store.remote import open_store
from tests.integration.sources.projects import sampled
from tests.projects import SourceProject
from tests.requirements import IN_CI

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest
    from tests.integration.sources.cluster import Cluster
    from tests.integration.sources.conftest import Bucket, Contents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("java") is None and not IN_CI,
        reason="there is no Java; to get it: tests/integration/sources/java.sh",
    ),
]
STORE = "the team's [störe]"
ONE = """
[sample]
unit = "words"
strata = ["class"]
rate = 0.2
[tables.words]
key = ["word"]
"""
LARGE = """
[sample]
unit = "people"
strata = ["class"]
rate = 0.3
[tables.people]
key = ["id"]
[tables.people.mask]
secret = "hash"
[tables.lookup]
keep = "all"
[tables.nothing]
keep = "all"
"""


@pytest.fixture(scope="module")
def few(readable: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Give a source of one table, and the fingerprint of its sample as it is drawn here."""
    lake = SourceProject(root=tmp_path_factory.mktemp("few"))
    lake.source.mkdir()
    shutil.copy(readable / "words.parquet", lake.source)
    return lake.source, lake.draw(ONE)[1].fingerprint


@pytest.fixture(autouse=True)
def at_home(lake: SourceProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_HOME", str(lake.home))


def written_by(cluster: Cluster, *, store: str = STORE, python: str = sys.executable) -> str:
    return (
        f'engine = "spark"\nstore = "{store}"\n[source.spark]\nmaster = "{cluster.master}"\n'
        f'write = "store"\npython = "{python}"\n'
    )


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_is_the_sample_that_is_drawn_here_and_can_be_pulled(
    lake: SourceProject,
    cluster: Cluster,
    readable: Path,
    plain: tuple[Path, SampleManifest],
    contents: Contents,
) -> None:
    """Seven tables in about ninety jobs, and a Python process of each executor imports sandbox."""
    shutil.copytree(readable, lake.source, dirs_exist_ok=True)
    project = lake.project(more=written_by(cluster))
    found = ensure_profiled_sample(project, refresh=False, profile=False, progress=SilentProgress())
    assert contents(found.manifest) == contents(plain[1])
    assert found.manifest.fingerprint == plain[1].fingerprint
    assert found.drawn
    assert found.profile is not None

    store, home = lake.root / STORE, lake.home / "samples"
    assert found.location == f"{store}/samples/{found.manifest.fingerprint}"
    assert not list(home.glob("*/")), "its rows did not come here"
    beside = {"manifest.json", "profile.json", *(one.path for one in found.manifest.weights.values())}
    tables = {file.path for table in found.manifest.tables.values() for file in table.files}
    assert set(files(store / "samples" / found.manifest.fingerprint)) == beside | tables
    assert files(store / "drawing") == []

    again = ensure_profiled_sample(project, refresh=False, profile=False, progress=SilentProgress())
    assert not again.drawn
    assert again.manifest == found.manifest
    assert again.profile == found.profile
    assert read_requested_fingerprint(project) == found.manifest.fingerprint

    here = ensure_sample(project, progress=SilentProgress())
    assert here.pulled == str(store)
    assert here.sample.fingerprint == plain[1].fingerprint
    assert verify_sample(here.sample.path, SilentProgress()) == []


def test_a_file_is_written_in_parts_in_its_order_and_is_masked(lake: SourceProject, cluster: Cluster) -> None:
    with duckdb.connect() as connection:
        for name, select in {
            "people": "select i as id, i % 3 as class, sha256(i::varchar) as secret from range(200000) r(i)",
            "lookup": "select i as id, sha256((-i)::varchar) as text, [i, null] as several from range(200000) r(i)",
            "nothing": "select 1::bigint as id, 'a' as text where false",
        }.items():
            path = str(lake.source / f"{name}.parquet").replace("'", "''")
            connection.execute(f"copy ({select}) to '{path}' (format parquet, row_group_size 20480)")
    _, expected = lake.draw(LARGE)
    shutil.rmtree(lake.home)
    project = lake.project(LARGE, more=written_by(cluster))
    found = ensure_profiled_sample(project, refresh=False, profile=False, progress=SilentProgress())
    assert found.manifest.fingerprint == expected.fingerprint
    written = found.manifest.tables
    assert all(len(written[name].files) > 1 for name in ("people", "lookup"))
    assert [file.rows for file in written["nothing"].files] == [0]
    place = lake.root / STORE / "samples" / found.manifest.fingerprint
    with duckdb.connect() as connection:
        for name in ("people", "lookup"):
            several = [connection.read_parquet(str(place / file.path)) for file in written[name].files]
            keys = [row[0] for one in several for row in one.project("id").fetchall()]
            assert keys == sorted(keys)
        secrets = {
            row[0]
            for file in written["people"].files
            for row in connection.read_parquet(str(place / file.path)).project("secret").fetchall()
        }
        drawn = connection.read_parquet(str(lake.source / "people.parquet")).project("secret").fetchall()
    assert len(secrets) == written["people"].rows
    assert not secrets & {row[0] for row in drawn}


def test_a_worker_that_is_killed_while_it_writes_changes_nothing(
    lake: SourceProject,
    cluster: Cluster,
    readable: Path,
    plain: tuple[Path, SampleManifest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Takes long: the cluster starts the executor again."""
    shutil.copytree(readable, lake.source, dirs_exist_ok=True)
    staged, killed = lake.root / STORE / "drawing", threading.Event()

    def watch() -> None:
        while not killed.wait(0.005):
            if any(path.is_file() for path in staged.rglob("*")):
                os.killpg(cluster.processes["worker-0"].pid, signal.SIGKILL)
                killed.set()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        project = lake.project(more=written_by(cluster))
        found = ensure_profiled_sample(project, refresh=False, profile=False, progress=SilentProgress())
    finally:
        seen = killed.is_set()
        killed.set()
        watching.join()
        if seen:
            cluster.processes["worker-0"].wait()
            cluster.worker(0)
    assert seen
    assert found.manifest.fingerprint == plain[1].fingerprint
    assert files(staged) == []
    assert verify_sample(ensure_sample(project, progress=SilentProgress()).sample.path, SilentProgress()) == []


def test_parts_that_are_written_twice_count_once(
    lake: SourceProject,
    cluster: Cluster,
    few: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(few[0], lake.source, dirs_exist_ok=True)
    reported = executor_tasks.run_on_executors

    def twice(*about: Any) -> list[executor_tasks.PartReport]:
        reported(*about)
        return reported(*about)

    monkeypatch.setattr(executor_tasks, "run_on_executors", twice)
    project = lake.project(ONE, more=written_by(cluster))
    found = ensure_profiled_sample(project, refresh=False, profile=False, progress=SilentProgress())
    assert found.manifest.fingerprint == few[1]
    assert files(lake.root / STORE / "drawing") == []
    assert verify_sample(ensure_sample(project, progress=SilentProgress()).sample.path, SilentProgress()) == []


def test_nothing_is_left_of_a_draw_that_fails(
    lake: SourceProject, cluster: Cluster, few: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(few[0], lake.source, dirs_exist_ok=True)
    reported = executor_tasks.run_on_executors

    def changed(table: Any, *about: Any) -> list[executor_tasks.PartReport]:
        found = reported(table, *about)
        os.utime(lake.source / "words.parquet")
        return found

    monkeypatch.setattr(executor_tasks, "run_on_executors", changed)
    with pytest.raises(SourceError, match="changed while it was read: words"):
        ensure_profiled_sample(
            lake.project(ONE, more=written_by(cluster)),
            refresh=False,
            profile=False,
            progress=SilentProgress(),
        )
    assert files(lake.root / STORE) == []
    assert [path for path in files(lake.home / "samples") if not path.endswith(".lock")] == []


def test_workers_that_cannot_carry_it_out(
    lake: SourceProject, cluster: Cluster, few: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(few[0], lake.source, dirs_exist_ok=True)
    venv.create(tmp_path / "bare", with_pip=False)
    for python in (str(tmp_path / "bare" / "bin" / "python"), str(tmp_path / "none")):
        project = lake.project(ONE, more=written_by(cluster, python=python))
        with pytest.raises(SourceError, match="cannot carry out what is to be done there") as caught:
            ensure_profiled_sample(project, refresh=False, profile=False, progress=SilentProgress())
        assert "[source.spark] python" in caught.value.hint
    assert files(lake.root / STORE) == []


def test_workers_for_which_the_store_is_another_folder(
    lake: SourceProject, cluster: Cluster, few: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(few[0], lake.source, dirs_exist_ok=True)
    (tmp_path / "file").write_text("in the way", "utf-8")
    for place, message in (
        ("elsewhere", "is not seen from here"),
        ("file", "a worker of Spark: .* cannot be written"),
    ):
        monkeypatch.setattr(
            sharing,
            "open_store",
            lambda store, base, at=place: replace(open_store(store, base=base), address=str(tmp_path / at)),
        )
        with pytest.raises(StoreError, match=message):
            ensure_profiled_sample(
                lake.project(ONE, more=written_by(cluster)),
                refresh=False,
                profile=False,
                progress=SilentProgress(),
            )
        assert files(lake.root / STORE) == []


def test_a_bucket_as_the_store(lake: SourceProject, bucket: Bucket, cluster: Cluster, few: tuple[Path, str]) -> None:
    shutil.copytree(few[0], lake.source, dirs_exist_ok=True)
    project = lake.project(ONE, more=written_by(cluster, store=bucket.uri))
    found = ensure_profiled_sample(project, refresh=False, profile=False, progress=SilentProgress())
    assert found.manifest.fingerprint == few[1]
    assert found.profile is not None
    here = ensure_sample(project, progress=SilentProgress())
    assert verify_sample(here.sample.path, SilentProgress()) == []
    left = bucket.system.get_file_info(fs.FileSelector(bucket.name, recursive=True))
    assert not [info.path for info in left if info.is_file and "/drawing/" in info.path]


def test_the_command_with_masks_by_connect(drawn_demo: tuple[Path, str], tmp_path: Path, cluster: Cluster) -> None:
    """The command draws the demo in a session of its own, whose executors import sandbox."""
    demo, expected = drawn_demo
    project = shutil.copytree(demo, tmp_path / demo.name)
    file = project / "sandbox.toml"
    more = (
        f'engine = "spark"\nstore = "{tmp_path}/store"\n[source.spark]\nremote = "{cluster.connect()}"\n'
        f'write = "store"\npython = "{sys.executable}"\n[sample]'
    )
    file.write_text(file.read_text("utf-8").replace("[sample]", more, 1), "utf-8")
    found = sampled(project, tmp_path / "home")
    assert found["fingerprint"] == expected
    assert found["path"] == f"{tmp_path}/store/samples/{expected}"
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "sample", "pull", expected[:12]],
        cwd=project,
        env={**os.environ, "SANDBOX_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "samples" / expected / "manifest.json").is_file()
