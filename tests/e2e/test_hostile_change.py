"""Changes written to deceive the gate, or to read what no run may read, are refused or seen, in both runtimes."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.projects import Shop

RUNTIMES = ["local", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(params=RUNTIMES)
def env(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give the variables that choose the runtime."""
    if request.param == "docker":
        request.getfixturevalue("engine")
    return {"SANDBOX_RUNTIME": request.param}


def test_runs_that_come_with_a_commit_are_refused(shop: Shop, env: dict[str, str], tmp_path: Path) -> None:
    shop.edit("pipeline.py", "sum(amount), 0)", "sum(amount), 0) + 1")
    assert shop.run("diff", env=env).status == 1
    # The forged run: that of the candidate gets the outputs of the baseline.
    first, second = sorted(shop.root.glob(".sandbox/runs/[0-9]*"))[:2]
    shutil.copytree(first / "output", second / "output", dirs_exist_ok=True)
    shop.git("add", "--force", ".sandbox")
    shop.git("commit", "-qam", "hostile")
    done = shop.run("diff", env=env)
    assert done.status == 10, done.stderr
    assert "git tracks .sandbox/" in done.stderr
    assert f"git -C {shop.root} rm -r --cached .sandbox" in done.stderr
    if env["SANDBOX_RUNTIME"] == "local":
        for command in (["report"], ["sql", "select 1"], ["verify"], ["sample"], ["logs"]):
            assert shop.run(*command).status == 10, command
    shop.git("rm", "-rq", "--cached", ".sandbox")
    shop.git("commit", "-qm", "without")
    (shop.root / ".sandbox").rename(tmp_path / "elsewhere")
    (shop.root / ".sandbox").symlink_to(tmp_path / "elsewhere")
    linked = shop.run("diff", env=env)
    assert linked.status == 10
    assert ".sandbox is a link" in linked.stderr


def test_a_home_that_git_tracks_or_that_is_a_link_is_refused(shop: Shop, tmp_path: Path) -> None:
    home = shop.root / "cache" / "home"
    home.mkdir(parents=True)
    assert shop.run("sample", env={"SANDBOX_HOME": str(home)}).status == 0
    shop.git("add", "--force", "cache")
    (tmp_path / "link").symlink_to(home)
    (shop.root / "moved").symlink_to("cache")
    for place, reason in (
        (home, "git tracks home/"),
        (tmp_path / "link", "is a link"),
        (shop.root / "moved" / "home", "git tracks home/"),
    ):
        done = shop.run("diff", env={"SANDBOX_HOME": str(place)})
        assert (done.status, reason in done.stderr) == (10, True), done.stderr


@pytest.mark.parametrize("path", ["../../../warehouse/customers.csv", "/etc/passwd", ".", "a/../../b"])
def test_path_of_an_output_stays_in_the_output_folder(shop: Shop, path: str) -> None:
    shop.edit("sandbox.toml", "[outputs.value]\n", f'[outputs.value]\npath = "{path}"\n')
    done = shop.run("diff")
    assert done.status == 10
    assert "outputs.value.path" in done.stderr
    assert "below $SANDBOX_OUTPUT" in done.stderr


def test_links_of_an_output_lead_nowhere(shop: Shop, env: dict[str, str]) -> None:
    (shop.root / "pipeline.py").write_text(
        f"import os\nos.symlink({str(shop.root / 'warehouse')!r}, os.environ['SANDBOX_OUTPUT'] + '/inner')\n"
    )
    shop.edit("sandbox.toml", "[outputs.value]\n", '[outputs.value]\npath = "inner/customers.csv"\n')
    done = shop.run("run", env=env)
    assert done.status == 15, done.stderr
    assert "link" in done.stderr
    assert "@example.org" not in done.stderr + done.stdout


@pytest.mark.parametrize("included", ["warehouse", "warehouse/customers.csv", ".sandbox", ".git"])
def test_include_brings_back_no_data(shop: Shop, included: str) -> None:
    shop.run("sample")
    shop.edit("sandbox.toml", "[outputs.value]\n", f'include = ["{included}"]\n\n[outputs.value]\n')
    done = shop.run("diff")
    assert done.status == 10, done.stderr
    assert f"pipeline.include: {included} is no code" in done.stderr


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("../secret.txt", None),
        ("requirements.txt", "../secret.txt"),
        ("requirements.txt", "warehouse/customers.csv"),
        ("requirements.txt", ".git/config"),
        ("warehouse/customers.csv", None),
    ],
)
def test_requirements_lie_in_the_code_and_are_never_quoted(shop: Shop, name: str, target: str | None) -> None:
    (shop.root.parent / "secret.txt").write_text("hunter2 is my password\n")
    if target is not None:
        (shop.root / name).symlink_to(target)
    shop.edit("sandbox.toml", "[stack.limits]\n", f'[stack]\nrequirements = "{name}"\n\n[stack.limits]\n')
    for command in (["lock"], ["diff"]):
        done = shop.run(*command)
        assert done.status == 10, done.stderr
        assert "outside the git repository" in done.stderr or "is no code" in done.stderr
        assert "hunter2" not in done.stderr
        assert "@" not in done.stderr
    if "secret" in (target or name):
        allowed = shop.run("lock", "--allow-outside")
        assert allowed.status == 10
        assert "line 1 is not a requirement" in allowed.stderr
        assert "hunter2" not in allowed.stderr


@pytest.mark.docker
def test_an_image_copies_nothing_that_is_no_code(shop: Shop, engine: str) -> None:
    (shop.root / "docker").mkdir()
    (shop.root / "docker" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY data.csv /data.csv\n")
    (shop.root / "docker" / "data.csv").symlink_to("../warehouse/customers.csv")
    shop.edit("sandbox.toml", "[stack.limits]\n", '[stack]\nimage = "./docker"\n\n[stack.limits]\n')
    done = shop.run("create", env={"SANDBOX_RUNTIME": "docker"})
    assert done.status == 10, done.stderr
    assert "docker/data.csv is no code" in done.stderr


def test_bump_of_a_submodule_is_seen(shop: Shop, env: dict[str, str], tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    inside = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(library)]
    (library / "rate.py").write_text("RATE = 1\n")
    subprocess.run([*inside, "init", "-q"], check=True)
    subprocess.run([*inside, "add", "-A"], check=True)
    subprocess.run([*inside, "commit", "-qm", "one"], check=True)
    shop.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "library")
    shop.edit("pipeline.py", "import duckdb\n", "import duckdb\nfrom library.rate import RATE\n")
    shop.edit("pipeline.py", "sum(amount), 0)", "sum(amount) * {RATE}, 0)")
    shop.git("add", "-A")
    shop.git("commit", "-qm", "library")
    assert shop.run("diff", env=env).status == 0
    (shop.root / "library" / "rate.py").write_text("RATE = 2\n")
    assert shop.run("diff", env=env).status == 1
    changed = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qam", "two"],
        cwd=shop.root / "library",
        check=True,
    )
    assert changed.returncode == 0
    shop.git("commit", "-qam", "bump")
    done = shop.run("diff", "--baseline", "main~1", "--candidate", "main", "--json", env=env)
    assert done.status == 1, done.stderr
    shutil.rmtree(shop.root / "library")
    (shop.root / "library").mkdir()
    missing = shop.run("diff", env=env)
    assert missing.status == 10
    assert "submodule update --init --recursive -- library" in missing.stderr


def test_code_beside_the_project_in_a_monorepo(shop: Shop, env: dict[str, str]) -> None:
    top = shop.root.parent
    shutil.rmtree(shop.root / ".git")
    (top / "shared").mkdir()
    (top / "shared" / "rate.py").write_text("RATE = 1\n")
    shop.edit(
        "pipeline.py",
        "import duckdb\n",
        "import duckdb\nimport sys\nsys.path.insert(0, '..')\nfrom shared.rate import RATE\n",
    )
    shop.edit("pipeline.py", "sum(amount), 0)", "sum(amount) * {RATE}, 0)")
    shop.edit("sandbox.toml", 'production = "main"\n', 'production = "main"\nroot = ".."\nscratch = ["work"]\n')
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=top, check=True)
    shop.git("add", "-A", str(top))
    shop.git("commit", "-qm", "production")
    assert shop.run("diff", env=env).status == 0
    (top / "shared" / "rate.py").write_text("RATE = 2\n")
    done = shop.run("diff", env=env)
    assert done.status == 1, done.stderr
    shop.edit("sandbox.toml", 'root = ".."\n', 'root = "../.."\n')
    outside = shop.run("diff", env=env)
    assert outside.status == 10
    assert "outside the git repository" in outside.stderr


def test_logs_send_no_control_sequences_to_the_terminal(shop: Shop) -> None:
    (shop.root / "pipeline.py").write_text(
        "print('a\\x1b]0;title\\x07\\tb\\u202e\\x9b31m 50 %\\r100 %')\nraise SystemExit(3)\n"
    )
    assert shop.run("run").status == 15
    done = shop.run("logs")
    assert done.stdout == "a⟨U+001B⟩]0;title⟨U+0007⟩\tb⟨U+202E⟩⟨U+009B⟩31m 50 %\n100 %\n"


def test_another_source_does_not_make_code_of_the_former(shop: Shop) -> None:
    shutil.copytree(shop.root / "warehouse", shop.root / "other")
    (shop.root / ".gitignore").write_text("other/\n")
    shop.edit("sandbox.toml", 'uri = "warehouse/"', 'uri = "other/"')
    shop.edit("pipeline.py", "import duckdb\n", "import duckdb\nprint(os.path.exists('warehouse/customers.csv'))\n")
    assert shop.run("run").status == 0
    assert shop.run("logs").stdout == "False\n"
    shop.edit("sandbox.toml", "[outputs.value]\n", 'include = ["warehouse"]\n\n[outputs.value]\n')
    assert shop.run("run").status == 10
