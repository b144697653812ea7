"""Evidence that this installation did not make, or that a run changed, never decides a verdict."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.manifest.comparison import ComparisonRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.projects import Shop

BUG = ("count(order_id)", "count(*)")
ADD_A_FILE = """
import shutil
with open(os.path.join(os.environ["SANDBOX_SAMPLE"], "orders", "zz.parquet"), "wb") as more:
    more.write(open(os.path.join(os.environ["SANDBOX_SAMPLE"], "orders", "0.parquet"), "rb").read())
"""


@pytest.fixture
def project(shop: Shop, request: pytest.FixtureRequest) -> Shop:
    """Give a project with a sample that no other test has, which takes too many orders."""
    shop.edit("sandbox.toml", 'salt = "test"', f'salt = "{request.node.name}"')
    shop.edit("pipeline.py", *BUG)
    return shop


def seal(fields: dict[str, Any]) -> str:
    """Give a record the digest that anybody can compute."""
    kept = {name: value for name, value in fields.items() if name != "seal"}
    unsigned = {name: value for name, value in kept.items() if name != "signature"}
    return json.dumps(kept | {"seal": hash_json(unsigned)})


def forge_run(shop: Shop, found: dict[str, Any]) -> str:
    """Make the candidate's run one that left what the baseline's left, consistently; give its name."""
    runs = shop.root / ".sandbox" / "runs"
    sound, forged = (runs / found[side]["run"] for side in ("baseline", "candidate"))
    shutil.copyfile(sound / "output" / "value.parquet", forged / "output" / "value.parquet")
    record = json.loads((forged / "run.json").read_text("utf-8"))
    (file,) = record["outputs"]["value"]["files"]
    file["bytes"] = (forged / "output" / "value.parquet").stat().st_size
    file["sha256"] = hash_file(forged / "output" / "value.parquet")
    (forged / "run.json").write_text(seal(record), "utf-8")
    return str(forged.name)


def test_a_forged_run_and_a_forged_comparison_are_not_used(project: Shop) -> None:
    first = project.run("diff", "--json")
    assert first.status == 1
    rows = first.json["outputs"]["value"]["rows"]
    forged = forge_run(project, first.json)
    second = project.run("diff", "--json")
    assert (second.status, second.json["outputs"]["value"]["rows"]) == (1, rows)
    assert second.json["candidate"]["run"] != forged
    assert any("was not written by this installation" in one for one in second.json["warnings"])
    last = project.root / ".sandbox" / "comparisons" / "last.json"
    record = json.loads(last.read_text("utf-8"))
    record["outputs"]["value"]["rows"]["changed"] = 0
    last.write_text(seal(record), "utf-8")
    ComparisonRecord.read(last)  # it is sound but for the signature
    assert project.run("diff", "--json").json["outputs"]["value"]["rows"] == rows
    assert project.run("verify", forged).status == 13


def test_a_key_that_others_can_read_is_refused(project: Shop, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "seal.key").write_text("00" * 32)
    (home / "seal.key").chmod(0o644)
    done = project.run("sample", env={"SANDBOX_HOME": str(home)})
    assert (done.status, "cannot be trusted" in done.stderr) == (10, True), done.stderr


def test_a_run_that_adds_a_file_to_the_sample_ends_with_13_and_the_sample_is_set_aside(project: Shop) -> None:
    sample = Path(project.run("sample", "--json").json["path"])
    before = (project.root / "pipeline.py").read_text("utf-8")
    (project.root / "pipeline.py").write_text(before.replace(BUG[1], BUG[0]) + ADD_A_FILE, "utf-8")
    done = project.run("diff")
    assert (done.status, done.stdout) == (13, ""), done.stderr
    assert "tables/orders/zz.parquet does not belong there" in done.stderr
    assert not sample.exists()
    assert len(list(sample.parent.glob(f".unfinished-changed-{sample.name[:12]}-*"))) == 1
    (project.root / "pipeline.py").write_text(before, "utf-8")
    again = project.run("diff", "--json")
    assert again.status == 1
    assert not (sample / "tables" / "orders" / "zz.parquet").exists()


DAMAGE = """
import os
sample = os.path.dirname(os.environ["SANDBOX_SAMPLE"])
path = os.path.join(sample, {name!r})
content = open(path, "rb").read()
changed = bytearray(content)
changed[len(changed) // 2] ^= 1
os.chmod(path, 0o600)
times = os.stat(path)
open(path, "wb").write(bytes(changed))
if {restored}:
    open(path, "wb").write(content)
os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
"""


def test_a_run_that_writes_to_any_file_of_the_sample_ends_with_13(project: Shop) -> None:
    """Also where it leaves all as it was, size and times included: nobody knows what was read in between.

    Takes long: a run for each file of the sample.
    """
    sample = Path(project.run("sample", "--json").json["path"])
    code = (project.root / "pipeline.py").read_text("utf-8")
    names = sorted(path.relative_to(sample).as_posix() for path in sample.rglob("*") if path.is_file())
    assert len(names) > 4
    for name in names:
        (project.root / "pipeline.py").write_text(DAMAGE.format(name=name, restored=True) + code, "utf-8")
        done = project.run("run")
        assert (done.status, f"{name} of the sample" in done.stderr) == (13, True), (name, done.stderr)
        assert sample.exists()
    (project.root / "pipeline.py").write_text(DAMAGE.format(name=names[-1], restored=False) + code, "utf-8")
    done = project.run("run")
    assert (done.status, f"{names[-1]} was changed" in done.stderr) == (13, True), done.stderr
    assert not sample.exists()


TRY_EVERYTHING = """
import os, sys
def tries():
    for place in (os.environ["SANDBOX_SAMPLE"], os.getcwd(), sys.prefix):
        for folder, _, names in os.walk(place):
            for path in (os.path.join(folder, name) for name in names):
                yield from ((action, path) for action in (write, os.unlink, rename, forget))
            yield write, os.path.join(folder, "new")
def write(path):
    open(path, "ab").write(b"x")
def rename(path):
    os.rename(path, path + "2")
def forget(path):
    os.utime(path, (0, 0))
done = [(action.__name__, path) for action, path in tries() if not fails(action, path)]
assert not done, done[:5]
"""
FAILS = """
def fails(action, path):
    try:
        action(path)
    except OSError:
        return True
"""


@pytest.mark.docker
def test_a_run_in_a_container_can_change_no_file_that_it_reads(project: Shop, engine: str) -> None:
    env = {"SANDBOX_RUNTIME": "docker"}
    sample = Path(project.run("sample", "--json").json["path"])
    before = {path: path.stat().st_ctime_ns for path in sample.rglob("*")}
    code = (project.root / "pipeline.py").read_text("utf-8")
    (project.root / "pipeline.py").write_text(FAILS + TRY_EVERYTHING + code, "utf-8")
    done = project.run("run", env=env)
    assert done.status == 0, done.stderr
    assert {path: path.stat().st_ctime_ns for path in sample.rglob("*")} == before


INSTALL = """
import sysconfig
with open(os.path.join(sysconfig.get_path("purelib"), "sitecustomize.py"), "w") as module:
    module.write("print('installed by a change')")
"""


def test_a_run_that_changes_its_environment_ends_with_13_and_changes_no_other_run(project: Shop) -> None:
    """Takes long: the project's own environment is made, twice."""
    (project.root / "requirements.txt").write_text("iniconfig\n")
    project.edit("sandbox.toml", "[stack.limits]", '[stack]\nrequirements = "requirements.txt"\n[stack.limits]')
    project.git("add", "-A")
    project.git("commit", "-qm", "an environment that no other test has")
    environment = Path(project.run("create", "--json").json["environment"]["reference"])
    code = (project.root / "pipeline.py").read_text("utf-8")
    (project.root / "pipeline.py").write_text(code + INSTALL, "utf-8")
    done = project.run("diff")
    assert (done.status, done.stdout) == (13, ""), done.stderr
    assert "site-packages/sitecustomize.py; nothing is judged by that run" in done.stderr
    assert "name them in [stack] requirements" in done.stderr
    assert not environment.exists()
    (project.root / "pipeline.py").write_text(code, "utf-8")
    assert project.run("diff").status == 0
    assert list(environment.rglob("sitecustomize.py")) == []
    assert "installed" not in project.run("logs").stdout


def test_what_was_added_to_the_sample_is_found_before_every_verdict(project: Shop) -> None:
    sample = Path(project.run("sample", "--json").json["path"])
    strange: dict[str, Callable[[Path], object]] = {
        "tables/orders/zz.parquet": lambda path: path.write_bytes(b"rows"),
        "tables/orders/empty": lambda path: path.mkdir(),
        "tables/link": lambda path: path.symlink_to("orders"),
    }
    for name, add in strange.items():
        add(sample / name)
        done = project.run("diff")
        assert (done.status, f"{name} does not belong there" in done.stderr) == (13, True), (name, done.stderr)
        path = sample / name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    record = sample.parents[1] / "checked" / f"{sample.name}.json"
    fields = json.loads(record.read_text("utf-8"))
    (sample / "tables" / "orders" / "zz.parquet").write_bytes(b"rows")
    fields["files"]["tables/orders/zz.parquet"] = {"sha256": "0" * 64, "stats": [0, 0, 0, 0]}
    record.write_text(seal(fields), "utf-8")
    assert project.run("diff").status == 13
    assert project.run("verify").status == 13


def others(folder: Path) -> list[Path]:
    """Give what others may read or enter."""
    return [path for path in (folder, *folder.rglob("*")) if not path.is_symlink() and path.stat().st_mode & 0o007]


def test_nothing_of_samples_runs_and_reports_is_open_to_others(project: Shop) -> None:
    found = project.run("diff", "--json").json
    state = project.root / ".sandbox"
    sample = project.home / "samples" / found["sample"]["fingerprint"]
    runs_and_reports = [path for part in ("runs", "diffs", "halves") for path in (state / part).glob("*")]
    assert len(runs_and_reports) > 3
    assert [path for folder in (sample, *runs_and_reports) for path in others(folder)] == []
    assert [stat.S_IMODE(path.stat().st_mode) & 0o007 for path in (state, project.home)] == [0, 0]
    shared = project.run("diff", "--json", "--fresh", env={"SANDBOX_SHARED": "1"}).json
    assert stat.S_IMODE((state / "runs" / shared["candidate"]["run"] / "run.json").stat().st_mode) == 0o644


@pytest.mark.parametrize("seconds", [0, 60], ids=["that has ended", "that goes on"])
def test_a_run_that_writes_too_much_is_ended(project: Shop, seconds: int) -> None:
    project.edit("sandbox.toml", 'timeout = "600s"', 'timeout = "600s"\noutput = "2MB"')
    more = f"\nopen(os.environ['SANDBOX_OUTPUT'] + '/more', 'wb').write(b'x' * 3_000_000)\nimport time\ntime.sleep({seconds})\n"
    with (project.root / "pipeline.py").open("a") as file:
        file.write(more)
    done = project.run("run", "--json")
    assert done.status == 15, done.stderr
    assert done.json["error"]["kind"] == "pipeline"
    assert "wrote 3.0 MB of files, and it may write 2.0 MB" in done.json["error"]["message"]
    (record,) = (project.root / ".sandbox" / "runs").glob("*/run.json")
    assert json.loads(record.read_text("utf-8"))["ending"] == "output_full"
