"""A small project to run the command on, and the command itself."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from sandbox.config.ci import TARGET_BRANCH_VARIABLES
from tests.requirements import IN_CI, skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator

# Machines are shared: no test may fail because an example took long. In CI the examples are always the same.
settings.register_profile("project", deadline=None, derandomize=IN_CI)
settings.load_profile("project")

SETTINGS = """\
version = 1

[project]
name = "shop"

[source]
uri = "warehouse/"

[sample]
salt = "test"
unit = "customers"
strata = ["country"]
rate = 0.5
min_per_stratum = 5

[tables.customers]
key = ["customer_id"]
[tables.customers.mask]
email = "none"

[tables.orders]
key = ["order_id"]
references = { customer_id = "customers.customer_id" }

[stack.limits]
cpus = 1
memory = "1GB"
timeout = "60s"

[pipeline]
command = "python pipeline.py"
production = "main"

[outputs.value]
key = ["customer_id"]
"""

PIPELINE = """\
import os

import duckdb

sample, output = (os.environ[name].replace("'", "''") for name in ("SANDBOX_SAMPLE", "SANDBOX_OUTPUT"))
duckdb.sql(f\"\"\"
    copy (
        select customer_id, country, coalesce(sum(amount), 0) as total, count(order_id) as orders
        from '{sample}/customers/*.parquet' left join '{sample}/orders/*.parquet' using (customer_id)
        group by all order by customer_id
    ) to '{output}/value.parquet'
\"\"\")
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a call of the command gave."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.stdout)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A project in a folder of its own, and the command in it."""

    root: Path
    home: Path

    def run(self, *arguments: str, env: dict[str, str] | None = None, timeout: float = 300) -> Done:
        """Call the command and wait for it."""
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", *arguments],
            cwd=self.root,
            env=self.environment | (env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not done.stderr.startswith("Traceback"), done.stderr
        assert "\nTraceback" not in done.stderr, done.stderr
        return Done(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user, with a home of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
        return kept | {"SANDBOX_HOME": str(self.home), "SANDBOX_RUNTIME": "local"}

    def edit(self, file: str, before: str, after: str) -> None:
        """Replace a text that must be there."""
        path = self.root / file
        text = path.read_text("utf-8")
        assert before in text
        path.write_text(text.replace(before, after), "utf-8")

    def git(self, *arguments: str) -> str:
        """Call git."""
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def left_behind(self) -> list[Path]:
        """Everything half-made that lies about in the project."""
        return list(self.root.rglob(".staged-*"))


@pytest.fixture(scope="session", autouse=True)
def user_environment() -> Iterator[None]:
    """Remove the variables of continuous integration, which change what commands do."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CI", *TARGET_BRANCH_VARIABLES):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one ``$SANDBOX_HOME`` for the whole run of the tests: environments are made once, by one worker."""
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return place / "sandbox-home"


@pytest.fixture
def shop(tmp_path: Path, sandbox_home: Path) -> Shop:
    """Give a project with 400 customers, 2,000 orders and a pipeline of one output, in a path that is hard to quote."""
    root = tmp_path / "my shöp's"
    warehouse = root / "warehouse"
    warehouse.mkdir(parents=True)
    draw = random.Random(7)
    customers = [f"{n},c{n}@example.org,{draw.choice(['DE', 'DE', 'FR', 'US'])}" for n in range(1, 401)]
    orders = [f"{n},{draw.randint(1, 400)},{draw.randint(100, 9999) / 100}" for n in range(1, 2001)]
    (warehouse / "customers.csv").write_text("\n".join(["customer_id,email,country", *customers]) + "\n")
    (warehouse / "orders.csv").write_text("\n".join(["order_id,customer_id,amount", *orders]) + "\n")
    (root / "sandbox.toml").write_text(SETTINGS)
    (root / "pipeline.py").write_text(PIPELINE)
    (root / ".gitignore").write_text("warehouse/\n")
    made = Shop(root=root, home=sandbox_home)
    made.git("init", "-b", "main")
    made.git("add", "-A")
    made.git("commit", "-m", "production")
    return made


@pytest.fixture
def engine() -> str:
    """Make sure that a Docker Engine answers; elsewhere than in CI a test is skipped without one."""
    found = shutil.which("docker")
    answers = found and subprocess.run([found, "info"], capture_output=True, check=False).returncode == 0
    if not answers:
        skip_or_fail("no Docker Engine answers; to get one: make engine")
    return "docker"


@pytest.fixture(scope="session")
def baseball() -> Path:
    """Give the folder of the baseball tables, which lie beside the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data" / "baseball"
    if not folder.is_dir():
        skip_or_fail(f"the baseball tables are not there: {folder}")
    return folder
