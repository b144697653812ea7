"""Projects of tests: a folder with a source and ``sandbox.toml``, for the sampler and for the command."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox.config.project_file import load_project
from sandbox.engine.duckdb.session import quote_literal
from sandbox.model import Sample, SilentProgress
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples import catalog
from sandbox.store.environment_check import write_environment_record
from tests.command import run_command
from tests.headers import CUSTOMERS, build_header
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.manifest.sample import SampleManifest
    from sandbox.sampler.plan.plan import SamplePlan

FOLDER_NAME = "it's [a] ünï*? folder"
"""A name that is hard to quote."""
GIT_SETTINGS = (
    "user.name=t", "user.email=t@example.org", "commit.gpgsign=false", "protocol.file.allow=always",
    "core.quotePath=false",
)  # fmt: skip


SHOP_SETTINGS = """\
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
timeout = "600s"

[pipeline]
command = "python pipeline.py"
production = "main"

[outputs.value]
key = ["customer_id"]
"""

SHOP_PIPELINE = """\
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
class SourceProject:
    """A folder with a source, a project and a home, and the sampler on it.

    Attributes:
        root: The project's folder.
        sections: The sections of ``sandbox.toml`` after its header, for calls that give none.
    """

    root: Path
    sections: str = CUSTOMERS

    @property
    def source(self) -> Path:
        """The source's folder."""
        return self.root / "source"

    @property
    def home(self) -> Path:
        """The home that projects share."""
        return self.root / "home"

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the source."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def copy(self, name: str, select: str, options: str = "") -> Path:
        """Write the rows of a query to a file of the source, in the format of its name."""
        return write_query(self.source / name, select, options)

    def project(self, sections: str | None = None, *, uri: str = "source", more: str = "") -> Project:
        """Write ``sandbox.toml`` and load it; ``more`` is further lines of the source's section."""
        file = self.root / "sandbox.toml"
        file.write_text(build_header(uri, source=more) + (self.sections if sections is None else sections), "utf-8")
        return load_project(file, start=self.root, environ={}, flags={})

    def plan(self, sections: str | None = None, *, threads: int = 2) -> SamplePlan:
        """Plan the sample of the source as it is."""
        return plan_sample(self.project(sections), threads=threads, progress=SilentProgress())

    def draw(
        self,
        sections: str | None = None,
        *,
        uri: str = "source",
        more: str = "",
        home: Path | None = None,
        threads: int = 2,
    ) -> tuple[Sample, SampleManifest]:
        """Draw the sample of the source as it is."""
        project = self.project(sections, uri=uri, more=more)
        plan = plan_sample(project, threads=threads, progress=SilentProgress())
        sample = draw_sample(project, plan, home=home or self.home, threads=threads, progress=SilentProgress())
        return catalog.load_sample(home or self.home, sample.fingerprint)


def write_query(path: Path, select: str, options: str = "") -> Path:
    """Write the rows of a query to a file, in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"copy ({select}) to {quote_literal(str(path))} {options}")
    return path


def write_tables(folder: Path, selects: dict[str, str]) -> None:
    """Write a Parquet file for each query, named by its table."""
    for name, select in selects.items():
        write_query(folder / f"{name}.parquet", select)


def create_source_project(folder: Path, *, sections: str = CUSTOMERS) -> SourceProject:
    """Create a project with an empty source in a subfolder whose name is hard to quote."""
    root = folder / FOLDER_NAME
    (root / "source").mkdir(parents=True)
    return SourceProject(root=root, sections=sections)


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
    """A project in a repository of its own, and the command in it."""

    root: Path
    home: Path

    def run(self, *arguments: str, env: dict[str, str] | None = None, timeout: float = 2 * PATIENCE_SECONDS) -> Done:
        """Call the command and wait for it."""
        done = run_command(arguments, cwd=self.root, env=self.environment | (env or {}), timeout=timeout)
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
        return run_git(self.root, *arguments)

    def left_behind(self) -> list[Path]:
        """List everything half-made in the project."""
        return list(self.root.rglob(".staged-*"))


def give_own_home(shop: Shop, home: Path) -> Shop:
    """Return a project whose user has a home with nothing in it but the environments, which need not be made again."""
    if not list((shop.home / "environments").glob("[0-9a-f]*")):
        assert shop.run("create").status == 0
        shutil.rmtree(shop.root / ".sandbox")
    hidden = shutil.ignore_patterns(".*")
    shutil.copytree(shop.home / "wheels", home / "wheels", ignore=hidden, copy_function=os.link)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_HOME", str(home))
        for kept in (shop.home / "environments").glob("[0-9a-f]*"):
            # Copied: a link to a file changes its time, and so the environment that other tests use.
            copied = shutil.copytree(kept, home / "environments" / kept.name, symlinks=True)
            write_environment_record(copied)
    return replace(shop, home=home)


def run_git(folder: Path, *arguments: str) -> str:
    """Call git with settings of its own; return what it prints."""
    words = [word for setting in GIT_SETTINGS for word in ("-c", setting)]
    done = subprocess.run(["git", *words, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.rstrip("\n")


def create_repository(folder: Path, files: dict[str, str]) -> Path:
    """Create a git repository of text files, all of them committed on ``main``."""
    write_files(folder, files)
    run_git(folder, "init", "-q", "-b", "main")
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "production")
    return folder


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write text files by their paths in a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def create_shop(root: Path, home: Path, files: dict[str, str]) -> Shop:
    """Create a project whose text files are committed, except ignored ones."""
    return Shop(root=create_repository(root, files), home=home)


def create_customer_shop(folder: Path, home: Path) -> Shop:
    """Create a project with 400 customers, 2,000 orders and a pipeline of one output."""
    draw = random.Random(7)
    customers = [f"{n},c{n}@example.org,{draw.choice(['DE', 'DE', 'FR', 'US'])}" for n in range(1, 401)]
    orders = [f"{n},{draw.randint(1, 400)},{draw.randint(100, 9999) / 100}" for n in range(1, 2001)]
    files = {
        "warehouse/customers.csv": "\n".join(["customer_id,email,country", *customers]) + "\n",
        "warehouse/orders.csv": "\n".join(["order_id,customer_id,amount", *orders]) + "\n",
        "sandbox.toml": SHOP_SETTINGS,
        "pipeline.py": SHOP_PIPELINE,
        ".gitignore": "warehouse/\n",
    }
    return create_shop(folder / "my shöp's", home, files)
