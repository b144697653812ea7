"""Carries out one version of a dbt project on the sample, inside the sandbox; see docs/dbt.md.

It writes into ``$SANDBOX_OUTPUT`` one Parquet file a model and snapshot, and into its folder ``_dbt``: ``manifest.json``
(dbt's own), ``built.json`` (what was changed, built and taken over) and ``tests.json`` (what dbt's own tests found).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from beside import looked
from explain import StoppedError, explained, failures
from graph import read_by, tests_of
from places import match, output_names, selector

NOTHING_OF_OURS = {  # dbt neither calls anybody nor writes into the code
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "DBT_VERSION_CHECK": "false",
    "DBT_USE_COLORS": "false",
}
KINDS = ("model", "snapshot", "seed")


class Project:
    """A dbt project in the working directory, the sample, and a database that is made for it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.output = Path(os.environ["SANDBOX_OUTPUT"])
        self.kept = self.output / "_dbt"
        self.kept.mkdir(exist_ok=True)
        self.sample = os.environ.get("SANDBOX_SAMPLE")
        self.state = Path(os.environ["SANDBOX_STATE"]) if "SANDBOX_STATE" in os.environ else None
        self.plan = plan
        self.work = Path(tempfile.gettempdir()) / "dbt"
        self.work.mkdir(exist_ok=True)
        self.beside = looked()
        self.base = self.database()
        self.manifest: Any = None

    def database(self) -> Any:
        """Give what the models are carried out on; where that is only read about, as the project's own profile says."""
        asked = {"memory": self.plan["memory"], "threads": int(os.environ.get("OMP_NUM_THREADS", "1"))}
        if self.plan.get("postgres", self.beside["adapter"] == "postgres"):
            from postgres import Postgres

            return Postgres(self.kept, self.work, **asked)
        from duck import Duck

        return Duck(self.kept, self.work, **asked)

    def prepare(self) -> None:
        """Set what dbt reads from its environment, before it is imported."""
        os.environ.update(NOTHING_OF_OURS)
        os.environ["DBT_TARGET_PATH"] = str(self.work / "target")
        os.environ["DBT_LOG_PATH"] = str(self.work / "logs")
        os.environ["DBT_PROFILES_DIR"] = str(self.work)
        self.profile()

    def profile(self) -> None:
        """Write the profile that takes the place of the project's own; JSON is YAML."""
        target = os.environ.get("DBT_TARGET", "prod")
        profile = {"sandbox": {"target": target, "outputs": {target: self.base.profile()}}}
        (self.work / "profiles.yml").write_text(json.dumps(profile), "utf-8")

    def dbt(self, *arguments: str) -> Any:
        """Call dbt; its own complaints are its output."""
        from dbt.cli.main import dbtRunner

        options = ["--profile", "sandbox", "--profiles-dir", str(self.work)]
        if variables := os.environ.get("DBT_VARS"):
            options += ["--vars", variables]
        done = dbtRunner(manifest=self.manifest).invoke(["--no-partial-parse", *arguments, *options])
        if not done.success and done.exception is not None:
            raise StoppedError(explained(str(done.exception)))
        return done

    def parse(self) -> None:
        """Read the project; keep what dbt says of it."""
        self.manifest = self.dbt("parse").result
        (self.kept / "manifest.json").write_text(self.base.settle(self.manifest), "utf-8")
        self.profile()

    def offer(self) -> None:
        """Show the sample's tables where the project's sources and seeds are."""
        tables = self.tables()
        places: list[tuple[Any, str]] = []
        missing = []
        for source in self.manifest.sources.values():
            names = (f"{source.schema}.{source.identifier}", f"{source.source_name}.{source.name}")
            found = match(tables, *names, source.identifier, source.name)
            if found:
                places.append((source, found))
            elif reader := self.reader(source.unique_id):
                missing.append(f"source {source.source_name}.{source.name}, which {reader} reads")
        places += [
            (node, match(tables, node.name) or node.name)
            for node in self.nodes().values()
            if node.resource_type == "seed" and node.name in self.plan["seeds"]
        ]
        if missing:
            raise StoppedError(
                "the sample has no table for "
                + "; nor for ".join(missing)
                + f"\nits tables are {', '.join(sorted(tables)) or 'none'}; add the others to sandbox.toml as [tables.NAME]"
            )
        self.base.show([(node, tables[name]) for node, name in places])

    def tables(self) -> dict[str, Path]:
        """Give the sample's tables."""
        return {one.name: one for one in Path(self.sample).iterdir() if one.is_dir()} if self.sample else {}

    def nodes(self) -> dict[str, Any]:
        """Give what makes tables: models, snapshots and seeds."""
        return {
            key: node
            for key, node in self.manifest.nodes.items()
            if node.resource_type in KINDS and node.config.materialized != "ephemeral"
        }

    def reader(self, source: str) -> str | None:
        """Give a model that reads a source."""
        for node in self.nodes().values():
            if source in node.depends_on.nodes and node.resource_type != "seed":
                return node.name
        return None

    def listed(self, *selection: str) -> list[str]:
        """Give what a selection of dbt's holds, by its unique id."""
        kinds = [word for kind in KINDS for word in ("--resource-type", kind)]
        with contextlib.redirect_stdout(io.StringIO()):
            done = self.dbt("--quiet", "ls", *kinds, "--output", "json", "--output-keys", "unique_id", *selection)
        if not done.success:
            raise StoppedError("dbt cannot tell what changed")
        return [json.loads(line)["unique_id"] for line in done.result or []]

    def run(self) -> None:
        """Build what is to be built, take over the rest, keep the outputs, ask the tests."""
        self.parse()
        self.offer()
        nodes = self.nodes()
        ours = [
            node.name for node in nodes.values() if node.resource_type == "seed" and node.name in self.plan["seeds"]
        ]
        left_out = [*ours, *os.environ.get("DBT_EXCLUDE", "").split()]
        without = ["--exclude", *left_out] if left_out else []
        selection: list[str] = []
        changed: list[str] | None = None
        everything = set(self.listed(*without)) & set(nodes)
        chosen = everything
        against: list[str] = []
        if self.state is not None:
            against = ["--state", str(self.base.state(self.state / "_dbt"))]
            changed = self.listed("--select", "state:modified", *against, *without)
            affected = set(self.listed("--select", "state:modified+", *against, *without))
            chosen = self.to_be_built(nodes, everything, everything & affected, left_out)
            selection = ["--select", *(selector(nodes[key]) for key in sorted(chosen))]
        names = output_names(nodes)
        over = sorted(everything - chosen)
        asked = tests_of(self.manifest.nodes, chosen if self.state is not None else None, left_out)
        if self.state is not None:
            self.take_over(nodes, over, read_by(self.manifest.nodes, chosen, left_out))
        tests = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
        deferring = ["--defer", *against] if against else []
        if chosen:
            built = self.dbt("build", *tests, *selection, *without, *deferring)
            if not built.success:
                raise StoppedError(failures(built, self.base.adapter, self.beside["adapters"]))
        answers = self.tests(asked)
        self.base.keep({key: nodes[key] for key in sorted(chosen)}, lambda node: self.place(node, names))
        self.write("built.json", {
            "changed": None if changed is None else sorted(nodes[key].name for key in changed if key in nodes),
            "built": sorted(nodes[key].name for key in chosen),
            "taken_over": sorted(nodes[key].name for key in over) if self.state is not None else [],
            "outputs": {key: names[key] for key in sorted(everything) if nodes[key].resource_type != "seed"},
        })  # fmt: skip
        self.write("tests.json", answers)

    def to_be_built(
        self, nodes: dict[str, Any], everything: set[str], affected: set[str], left_out: list[str]
    ) -> set[str]:
        """Give what changed, what the state has no file of, and what these read and cannot be brought."""
        chosen = affected | {key for key in everything if self.file_of(nodes[key]) is None}
        while more := {
            key
            for key in (read_by(self.manifest.nodes, chosen, left_out) & everything) - chosen
            if not self.brought_from(nodes[key], self.file_of(nodes[key])).is_file()
        }:
            chosen |= more
        return chosen

    def file_of(self, node: Any) -> Path | None:
        """Give the file in which the state keeps what a node made."""
        assert self.state is not None
        known = json.loads((self.state / "_dbt" / "built.json").read_text("utf-8"))["outputs"]
        name = known.get(node.unique_id)
        place = self.state / f"{name}.parquet" if name else self.state / "_dbt" / f"{node.unique_id}.parquet"
        return place if place.is_file() else None

    def brought_from(self, node: Any, made: Path) -> Path:
        """Give the file by which the database gets what a node made."""
        assert self.state is not None
        exact = self.base.exact
        return self.state / "_dbt" / exact / f"{node.unique_id}.parquet" if exact else made

    def take_over(self, nodes: dict[str, Any], keys: list[str], needed: set[str]) -> None:
        """Bring what the state made to where it would have been made here, and keep it as an output of this run too.

        Where bringing is a copy, only what is needed is brought.
        """
        names, brought = output_names(nodes), []
        for key in keys:
            file = self.file_of(nodes[key])
            assert file is not None
            shutil.copyfile(file, self.place(nodes[key], names))
            if key in needed or not self.base.exact:
                brought.append((nodes[key], self.brought_from(nodes[key], file)))
        self.base.bring(brought)

    def place(self, node: Any, names: dict[str, str]) -> Path:
        """Give the file that keeps what a node made; seeds are no outputs."""
        if node.resource_type == "seed":
            return self.kept / f"{node.unique_id}.parquet"
        return self.output / f"{names[node.unique_id]}.parquet"

    def tests(self, found: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Ask tests; what they find is no failure of the run."""
        answers: dict[str, dict[str, Any]] = {}
        if self.state is not None:
            before = json.loads((self.state / "_dbt" / "tests.json").read_text("utf-8"))
            there = {key for key, node in self.manifest.nodes.items() if node.resource_type == "test"}
            answers = {key: one for key, one in before.items() if key in there}
        if not found:
            return answers
        done = self.dbt(
            "test",
            "--exclude-resource-type",
            "unit_test",
            "--select",
            *(node.name for node in found.values()),
        )
        for one in done.result.results if done.result else []:
            status = str(one.status)
            failed = one.failures if status in {"pass", "fail", "warn"} else None
            answers[one.node.unique_id] = {
                "name": one.node.name,
                "failures": failed,
                "problem": None if failed is not None else " ".join(str(one.message or status).split()),
            }
        return answers

    def write(self, name: str, content: Any) -> None:
        """Write a document beside the outputs."""
        (self.kept / name).write_text(json.dumps(content, indent=1, sort_keys=True), "utf-8")


def main() -> int:
    """Carry out the project, or with ``parse`` only read it."""
    plan = json.loads((Path(__file__).parent / "plan.json").read_text("utf-8"))
    try:
        project = Project(plan)
        project.prepare()
        if sys.argv[1:] == ["parse"]:
            project.parse()
            project.write("beside.json", project.beside)
        else:
            project.run()
    except (StoppedError, ModuleNotFoundError) as error:
        sys.stdout.flush()
        print(explained(str(error)) if isinstance(error, ModuleNotFoundError) else error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
