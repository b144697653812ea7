"""Files for docker compose and development containers, through the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.requirements import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.projects import Shop

DOCKER = {"SANDBOX_RUNTIME": "docker"}
CHECK = Path(sys.executable).parent / "check-jsonschema"


@pytest.mark.docker
def test_compose_file_has_the_walls_of_a_run_and_keeps_to_the_schema(shop: Shop, engine: str) -> None:
    done = shop.run("export", "compose", "--json", env=DOCKER)
    assert done.status == 0, done.stderr
    file = Path(done.json["file"])
    checked = subprocess.run(
        [CHECK, "--builtin-schema", "vendor.compose-spec", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    text = file.read_text("utf-8")
    for wall in ("network_mode: none", "read_only: true", "cap_drop: [ALL]", "pull_policy: never"):
        assert wall in text
    assert str(shop.root) in text
    again = shop.run("export", "compose", env=DOCKER)
    assert again.status == 2
    assert "is there already" in again.stderr
    assert shop.run("export", "compose", "--force", env=DOCKER).status == 0


@pytest.mark.docker
def test_devcontainer_names_image_sample_and_limits(shop: Shop, engine: str) -> None:
    done = shop.run("export", "devcontainer", env=DOCKER)
    assert done.status == 0, done.stderr
    assert "needs a network" in done.stdout
    document = json.loads((shop.root / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert document["image"].startswith("sandbox/python:")
    assert "--cap-drop=ALL" in document["runArgs"]
    assert any("readonly" in mount and "/sandbox/sample" in mount for mount in document["mounts"])


@pytest.fixture
def opener() -> Callable[[str], str]:
    """Give one of the tools that open what is exported; elsewhere than in CI a test is skipped without it."""

    def one(path: str) -> str:
        place = Path(__file__).parents[2] / ".make" / "openers" / path
        if not place.exists():
            skip_or_fail(f"{place.name} is not there; to get it: tests/e2e/openers.sh")
        return str(place)

    return one


def called(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


QUERY = """
import re, socket, struct
server = socket.socket(socket.AF_UNIX)
server.connect("/run/sandbox/postgres/.s.PGSQL.5432")
login = struct.pack("!i", 196608) + b"user\\0sandbox\\0database\\0sample\\0\\0"
query = b"select 'rows=' || count(*) from customers\\0"
server.sendall(struct.pack("!i", len(login) + 4) + login + b"Q" + struct.pack("!i", len(query) + 4) + query)
answer = b""
while b"rows=" not in answer and (chunk := server.recv(65536)):
    answer += chunk
print(re.search(rb"rows=[0-9]+", answer)[0].decode())
"""
"""Asks Postgres by its protocol, through the socket that the pipeline sees: the stack's Python has no driver."""


@pytest.fixture
def database_shop(shop: Shop, engine: str) -> Iterator[Shop]:
    """Give a project with a Postgres, with files that git ignores; nothing of it is left in the engine afterwards."""
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nservices = ["postgres"]\n[stack.limits]')
    shop.edit(".gitignore", "warehouse/\n", "warehouse/\n.env\n")
    (shop.root / ".env").write_text("TOKEN=of-a-person\n", "utf-8")
    yield shop
    assert shop.run("rm", "--yes", env=DOCKER).status == 0
    for kind in (["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"]):
        command = ["docker", *kind, "--filter", f"label=dev.sandbox.path={shop.root}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
    assert [path for path in (shop.root / ".sandbox").rglob("*") if path.suffix in {".dump", ".parquet"}] == []


def count_sampled_customers(shop: Shop) -> str:
    return f"rows={shop.run('sample', '--json').json['tables']['customers']['rows']}"


@pytest.mark.slow
@pytest.mark.docker
def test_docker_compose_runs_what_a_run_does(database_shop: Shop, opener: Callable[[str], str]) -> None:
    """Takes long: a run, an export, and a Postgres that loads the sample."""
    shop, compose = database_shop, opener("docker-compose")
    ran = shop.run("run", "--json", env=DOCKER)
    assert shop.run("export", "compose", env=DOCKER).status == 0
    called(compose, "config", "--quiet", cwd=shop.root)
    called(compose, "run", "--rm", "-T", "pipeline", cwd=shop.root)
    made = shop.root / ".sandbox" / "exported" / "default" / "value.parquet"
    assert made.read_bytes() == (Path(ran.json["path"]) / "output" / "value.parquet").read_bytes()
    tried = (
        "touch /sandbox/sample/x /sandbox/code/x /usr/x; getent hosts example.org; cat /proc/net/route | wc -l; id -u"
    )
    said = called(compose, "run", "--rm", "-T", "pipeline", "/bin/sh", "-c", tried, cwd=shop.root)
    assert said.stderr.count("Read-only file system") == 3
    assert said.stdout.split()[0] == "1"  # no route
    assert said.stdout.split()[1] != "0"
    hidden = "cat .env && ls warehouse && ls .sandbox 2>/dev/null || true"
    seen = called(compose, "run", "--rm", "-T", "pipeline", "/bin/sh", "-c", hidden, cwd=shop.root).stdout
    assert seen == ""
    asked = called(compose, "run", "--rm", "-T", "pipeline", "python", "-c", QUERY, cwd=shop.root)
    assert asked.stdout.strip() == count_sampled_customers(shop)


@pytest.mark.slow
@pytest.mark.docker
def test_the_devcontainer_tool_opens_a_stack_with_services(database_shop: Shop, opener: Callable[[str], str]) -> None:
    """Takes long: an export, and a Postgres that loads the sample."""
    shop, devcontainer = database_shop, opener("node_modules/.bin/devcontainer")
    assert shop.run("export", "devcontainer", env=DOCKER).status == 0
    compose = opener("docker-compose")
    up = called(devcontainer, "up", "--workspace-folder", ".", "--docker-compose-path", compose, cwd=shop.root)
    assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success"
    inside = [devcontainer, "exec", "--workspace-folder", ".", "--docker-compose-path", compose]
    asked = called(*inside, "python", "-c", QUERY, cwd=shop.root)
    assert asked.stdout.strip() == count_sampled_customers(shop)


@pytest.mark.slow
@pytest.mark.docker
def test_the_devcontainer_tool_opens_the_stack(shop: Shop, engine: str, opener: Callable[[str], str]) -> None:
    devcontainer = opener("node_modules/.bin/devcontainer")
    assert shop.run("export", "devcontainer", env=DOCKER).status == 0
    up = called(devcontainer, "up", "--workspace-folder", ".", cwd=shop.root)
    answer = json.loads(up.stdout.splitlines()[-1])
    try:
        assert answer["outcome"] == "success"
        inside = [devcontainer, "exec", "--workspace-folder", ".", "sh", "-c"]
        said = called(*inside, 'python pipeline.py && id -u && touch "$SANDBOX_SAMPLE/x" 2>&1 || true', cwd=shop.root)
        assert "Read-only file system" in said.stdout
        assert said.stdout.split()[0] != "0"
        assert (shop.root / ".sandbox" / "exported" / "default" / "value.parquet").is_file()
    finally:
        subprocess.run(["docker", "rm", "--force", answer["containerId"]], check=True, capture_output=True)


def test_without_an_engine_there_is_no_image_to_export(shop: Shop) -> None:
    done = shop.run("export", "compose")
    assert done.status == 14
    assert "no image to export" in done.stderr
