"""SIGKILL of whoever fills a temporary folder: the same again sweeps it up, and so does `sandbox gc`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Killed when the folder is about to be removed, or to get its name: then all is in it.
KILLED = """
import contextlib, os, signal, sys
from pathlib import Path
home, label, killed = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "killed"

def hook(event, arguments):
    if event in {"shutil.rmtree", "os.rename"} and Path(arguments[0]).name.startswith(f".staged-{label}-"):
        os.kill(os.getpid(), signal.SIGKILL)

if killed:
    sys.addaudithook(hook)
"""
SPILL = """
from sandbox.engine.duckdb.session import Session
with Session(memory=2**26, threads=1) as session:
    session.execute("create temp table t as select range as a, random() as b, uuid() as c from range(3000000)")
    if killed:  # what it spilled goes with the connection, before its folder
        os.kill(os.getpid(), signal.SIGKILL)
"""
HALF = """
from sandbox.compare import OutputRules
from sandbox.compare.units.sampled_units import UnitTableDraw
from sandbox.compare.units.separability import SeparabilityInput, find_separability_problem
from sandbox.model import TableFiles
table = TableFiles(name="t", format="parquet", paths=(home / "not there",))
drawn = UnitTableDraw(table="t", key=("id",), types=("BIGINT",), weights=home / "not there", strata=[], rows_outside_units={})
find_separability_problem(SeparabilityInput(whole=table, half=table, half_name="a half-sample", draw=drawn, half_units_sql="select 1", rules=OutputRules(), key=("id",)), memory=2**28)
"""
RESOLVE = """
from sandbox.provisioner.lock import pins
from sandbox.provisioner.lock.uv_resolver import _compile_requirements
from sandbox.provisioner.lock.request import StackRequest
request = StackRequest(image="python", python="3.13", requirements="requirements.txt", libraries=("tzdata==0",))
_compile_requirements(request, pins.list_targets("3.13")[0], [], [])
"""
UV = """
from sandbox.provisioner.lock.uv_lock import export_requirements
locked = '[[package]]\\nname = "x"\\nversion = "1"\\nsource = { virtual = "." }\\n'
export_requirements("uv.lock", "version = 1\\n" + locked, '[project]\\nname = "x"\\nversion = "1"\\n')
"""
DBT = """
from sandbox.commands.init import dbt
from sandbox.model import Environment, SilentProgress
none = Environment(id="0" * 64, runtime="local", reference=str(home / "none"), platform="", python="", base="")
dbt.provisioner.resolve_lock = lambda *_, **__: None
dbt.provisioner.ensure_environment = lambda *_, **__: none
dbt._parse_project(home, runtime="local", progress=SilentProgress())
"""
LOCAL = """
from sandbox.containers.local import job_folder
from sandbox.model import ResourceLimits
with job_folder.create_job_folder("sbx-killed", {}, ResourceLimits(cpus=1, memory_bytes=10**8, timeout_seconds=9)):
    pass
"""
ENGINE = """
from sandbox.containers.docker.runtime import DockerRuntime
from sandbox.containers.docker.client import open_client
from sandbox.manifest.lock import LockedImage
from sandbox.model import Environment, SilentProgress
from sandbox.provisioner.doctor import engine_checks
from sandbox.provisioner.images import contract, debian_packages, service
base = "sandbox/base:trixie"
image = Environment(id="0" * 64, runtime="docker", reference=base, platform="", python="", base=base)
"""
DOCTOR_BUILDS = (
    f"{ENGINE}\nwith contextlib.closing(open_client()) as client:\n    engine_checks._check_build(client, base)\n"
)
DOCTOR_TRIES = f"{ENGINE}\nengine_checks._Trial(DockerRuntime(), base, home).check_ownership()\n"
CONTRACT = f"{ENGINE}\ncontract._run_trial(image, home)\n"
SERVICE = (
    ENGINE
    + """
folder = home / "packages" / "none"
folder.mkdir(parents=True, exist_ok=True)
(folder / debian_packages.PINS_FILE).write_text("{}")
wanted = service.ServiceImage(reference="sandbox/postgres:killed", id="0" * 64)
with contextlib.closing(open_client()) as client:
    digest = LockedImage(reference=base, digest="sha256:" + "0" * 64)
    service._build_image(client, "postgres", digest, folder, wanted, home=home, progress=SilentProgress())
"""
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A home and a folder for temporary files, as a user has them."""

    home: Path
    temporary: Path

    def carry_out(self, program: str, label: str, *, killed: bool) -> int:
        done = self.call("-c", KILLED + program, str(self.home), label, "killed" if killed else "")
        return done.returncode

    def gc(self) -> list[str]:
        done = self.call("-m", "sandbox", "gc", "--yes", "--json")
        assert done.returncode == 0, done.stderr
        return [one["name"] for one in json.loads(done.stdout)["removed"]]

    def left(self, label: str) -> list[Path]:
        """Give what is half-made, aged, so that it is certain that nobody fills it."""
        found = [*self.home.rglob(f".staged-{label}-*"), *self.temporary.rglob(f".staged-{label}-*")]
        for path in found:
            os.utime(path, (1, 1))
        return found

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # The index of nobody: what asks for libraries fails, which ends its folder as well as success does.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SANDBOX_", "UV_"))}
        own = {"SANDBOX_HOME": str(self.home), "TMPDIR": str(self.temporary), "UV_OFFLINE": "1"}
        return subprocess.run(
            [sys.executable, *arguments],
            env=kept | own,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    one = Machine(home=tmp_path / "home", temporary=tmp_path / "temporary")
    one.home.mkdir()
    one.temporary.mkdir()
    return one


def swept(machine: Machine, program: str, label: str, *, content: bool) -> None:
    assert machine.carry_out(program, label, killed=True) == -signal.SIGKILL
    (left,) = machine.left(label)
    assert any(left.iterdir()) or not content
    machine.carry_out(program, label, killed=False)
    assert not left.exists(), "the same again sweeps it up"
    assert machine.left(label) == []
    assert machine.carry_out(program, label, killed=True) == -signal.SIGKILL
    (left,) = machine.left(label)
    assert str(left) in machine.gc()
    assert not left.exists()
    assert not [path for path in machine.temporary.iterdir() if not path.name.startswith("sandbox-")]


@pytest.mark.parametrize(
    ("program", "label", "content"),
    [
        pytest.param(SPILL, "spill", True, id="what spills"),
        pytest.param(HALF, "half", False, id="the halves of an output"),
        pytest.param(RESOLVE, "resolve", True, id="what uv resolves"),
        pytest.param(UV, "uv", True, id="a uv.lock"),
        pytest.param(DBT, "dbt", True, id="what dbt reads"),
        pytest.param(LOCAL, "sbx-killed", True, id="the place of a local run"),
    ],
)
def test_a_temporary_folder_of_a_killed_process_is_swept_up(
    machine: Machine, program: str, label: str, content: bool
) -> None:
    swept(machine, program, label, content=content)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("program", "label"),
    [
        pytest.param(DOCTOR_BUILDS, "doctor", id="what doctor builds"),
        pytest.param(DOCTOR_TRIES, "doctor", id="what doctor tries"),
        pytest.param(CONTRACT, "contract", id="what an own image is tried with"),
        pytest.param(SERVICE, "build", id="what a service is built of"),
    ],
)
def test_a_folder_that_an_engine_sees_is_swept_up(machine: Machine, engine: str, program: str, label: str) -> None:
    swept(machine, program, label, content=True)


@pytest.mark.docker
def test_what_doctor_built_goes_with_it(machine: Machine, engine: str) -> None:
    program = f"{KILLED}\nprint(os.getpid(), flush=True)\n{DOCTOR_BUILDS}"
    killed = machine.call("-c", program, str(machine.home), "doctor", "killed")
    assert killed.returncode == -signal.SIGKILL
    owner = f"label=dev.sandbox.owner-pid={killed.stdout.strip()}"
    images = ["docker", "image", "ls", "--quiet", "--filter", owner]
    assert subprocess.run(images, check=True, capture_output=True).stdout
    machine.gc()
    assert not subprocess.run(images, check=True, capture_output=True).stdout
