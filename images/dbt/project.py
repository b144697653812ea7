"""Carries out one version of a dbt project on the sample, inside the sandbox; see docs/dbt.md.

It writes into ``$SANDBOX_OUTPUT`` one Parquet file a model and snapshot, and into its folder ``_dbt``: ``manifest.json``
(dbt's own), ``built.json`` (what was changed, built and taken over) and ``tests.json`` (what dbt's own tests found).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from explain import explained, failures
from places import literal, match, output_names, quote, read_from_sample, selector

NOTHING_OF_OURS = {  # dbt neither calls anybody nor writes into the code
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "DBT_VERSION_CHECK": "false",
    "DBT_USE_COLORS": "false",
}
KINDS = ("model", "snapshot", "seed")


class StoppedError(Exception):
    """The project cannot be carried out; the message says why and what to do."""


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
        self.database = self.kept / "sandbox.duckdb"
        self.attached: dict[str, Path] = {}
        self.manifest: Any = None

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
        threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        output = {
            "type": "duckdb",
            "path": str(self.database),
            "schema": os.environ.get("DBT_SCHEMA", "main"),
            "threads": threads,
            "attach": [{"path": str(path), "alias": name} for name, path in self.attached.items()],
            "external_root": str(self.work),
            "settings": {
                "threads": threads,
                "TimeZone": "UTC",
                "memory_limit": f"{self.plan['memory'] * 6 // 10}B",
                "temp_directory": str(self.kept / "spill"),
                "autoinstall_known_extensions": False,
            },
        }
        profile = {"sandbox": {"target": target, "outputs": {target: output}}}
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
        shutil.copyfile(self.work / "target" / "manifest.json", self.kept / "manifest.json")

    def look_beside(self) -> None:
        """Keep what the project's own profile says, as far as it lies in the project: its databases."""
        import yaml

        found: dict[str, Any] = {"adapters": [], "database": None}
        try:
            profiles = yaml.safe_load(Path("profiles.yml").read_text("utf-8")) or {}
            outputs = [
                one for profile in profiles.values() for one in (profile.get("outputs") or {}).values()
            ]
        except (OSError, ValueError, AttributeError, yaml.YAMLError):
            outputs = []
        for output in outputs:
            kind = str(output.get("type", "unknown"))
            found["adapters"] = sorted({*found["adapters"], kind})
            if (
                kind == "duckdb"
                and ":" not in str(output.get("path", ":memory:"))
                and "{" not in str(output["path"])
            ):
                found["database"] = found["database"] or str(output["path"])
        self.write("beside.json", found)

    def offer(self) -> None:
        """Show the sample's tables where the project's sources and seeds are; make the databases that it names."""
        tables = self.tables()
        wanted = {one.database for one in self.manifest.sources.values()} | {
            node.database for node in self.nodes().values()
        }
        for name in sorted(one for one in wanted if one and one != self.database.stem):
            self.attached[name] = self.kept / f"{len(self.attached)}.duckdb"
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
        self.views([(node, sorted(tables[name].glob("*.parquet"))) for node, name in places])
        if self.attached:
            self.profile()
        taken = {node.unique_id for node, _ in places}
        read_from_sample(taken)

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

    def views(self, files: list[tuple[Any, list[Path]]]) -> None:
        """Make a view of Parquet files at each node's place."""
        import duckdb

        connection = duckdb.connect(str(self.database))
        for name, path in self.attached.items():
            connection.execute(f"attach if not exists {literal(str(path))} as {quote(name)}")
        for node, paths in files:
            schema = f"{quote(node.database or self.database.stem)}.{quote(node.schema)}"
            listed = ", ".join(literal(re.sub(r"([*?\[])", r"[\1]", str(path))) for path in paths)
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(
                f"create or replace view {schema}.{quote(getattr(node, 'identifier', None) or node.alias)} as "
                f"select * from read_parquet([{listed}], hive_partitioning = false)"
            )
        connection.close()

    def listed(self, *selection: str) -> list[str]:
        """Give what a selection of dbt's holds, by its unique id."""
        kinds = [word for kind in KINDS for word in ("--resource-type", kind)]
        with contextlib.redirect_stdout(io.StringIO()):
            done = self.dbt(
                "--quiet", "ls", *kinds, "--output", "json", "--output-keys", "unique_id", *selection
            )
        if not done.success:
            raise StoppedError("dbt cannot tell what changed")
        return [json.loads(line)["unique_id"] for line in done.result or []]

    def run(self) -> None:
        """Build what is to be built, take over the rest, keep the outputs, ask the tests."""
        self.parse()
        self.offer()
        nodes = self.nodes()
        ours = [
            node.name
            for node in nodes.values()
            if node.resource_type == "seed" and node.name in self.plan["seeds"]
        ]
        left_out = [*ours, *os.environ.get("DBT_EXCLUDE", "").split()]
        without = ["--exclude", *left_out] if left_out else []
        selection: list[str] = []
        changed: list[str] | None = None
        everything = set(self.listed(*without)) & set(nodes)
        chosen = everything
        if self.state is not None:
            against = ["--state", str(self.state / "_dbt")]
            changed = self.listed("--select", "state:modified", *against, *without)
            affected = set(self.listed("--select", "state:modified+", *against, *without))
            chosen = (everything & affected) | self.not_there(nodes, everything)
            selection = ["--select", *(selector(nodes[key]) for key in sorted(chosen))]
        names = output_names(nodes)
        over = sorted(everything - chosen)
        if self.state is not None:
            self.take_over(nodes, over)
        tests = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
        deferring = ["--defer", "--state", str(self.state / "_dbt")] if self.state is not None else []
        if chosen:
            built = self.dbt("build", *tests, *selection, *without, *deferring)
            if not built.success:
                raise StoppedError(failures(built))
        asked = self.tests(chosen if self.state is not None else None, left_out)
        self.close()
        self.keep({key: nodes[key] for key in sorted(chosen)}, names)
        self.write("built.json", {
            "changed": None if changed is None else sorted(nodes[key].name for key in changed if key in nodes),
            "built": sorted(nodes[key].name for key in chosen),
            "taken_over": sorted(nodes[key].name for key in over) if self.state is not None else [],
            "outputs": {key: names[key] for key in sorted(everything) if nodes[key].resource_type != "seed"},
        })  # fmt: skip
        self.write("tests.json", asked)

    def not_there(self, nodes: dict[str, Any], everything: set[str]) -> set[str]:
        """Give what the state has no file of, so that it must be built."""
        return {key for key in everything & set(nodes) if self.file_of(nodes[key]) is None}

    def file_of(self, node: Any) -> Path | None:
        """Give the file in which the state keeps what a node made."""
        assert self.state is not None
        known = json.loads((self.state / "_dbt" / "built.json").read_text("utf-8"))["outputs"]
        name = known.get(node.unique_id)
        place = self.state / f"{name}.parquet" if name else self.state / "_dbt" / f"{node.unique_id}.parquet"
        return place if place.is_file() else None

    def take_over(self, nodes: dict[str, Any], keys: list[str]) -> None:
        """Show what the state made where it would have been made here, and keep it as an output of this run too."""
        files = {key: file for key in keys if (file := self.file_of(nodes[key]))}
        for key, file in files.items():
            shutil.copyfile(file, self.place(nodes[key], output_names(nodes)))
        self.views([(nodes[key], [file]) for key, file in files.items()])

    def place(self, node: Any, names: dict[str, str]) -> Path:
        """Give the file that keeps what a node made; seeds are no outputs."""
        if node.resource_type == "seed":
            return self.kept / f"{node.unique_id}.parquet"
        return self.output / f"{names[node.unique_id]}.parquet"

    def keep(self, nodes: dict[str, Any], names: dict[str, str]) -> None:
        """Write what was built, views too, as Parquet; integers that it has no place for as decimals."""
        import duckdb

        connection = duckdb.connect(str(self.database), read_only=True)
        connection.execute("set TimeZone = 'UTC'")
        for name, path in self.attached.items():
            connection.execute(f"attach {literal(str(path))} as {quote(name)} (read_only)")
        for node in nodes.values():
            relation = ".".join(quote(part) for part in (node.database, node.schema, node.alias))
            columns = connection.execute(f"describe select * from {relation}").fetchall()
            chosen = ", ".join(
                f"{quote(name)}::decimal(38,0) as {quote(name)}"
                if kind in {"HUGEINT", "UHUGEINT"}
                else quote(name)
                for name, kind, *_ in columns
            )
            target = literal(str(self.place(node, names)))
            connection.execute(f"copy (select {chosen} from {relation}) to {target} (format parquet)")
        connection.close()
        for path in (self.database, *self.attached.values()):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.kept / "spill", ignore_errors=True)

    def tests(self, chosen: set[str] | None, left_out: list[str]) -> dict[str, dict[str, Any]]:
        """Ask dbt's own tests of what was built; what they find is no failure of the run."""
        found = {
            key: node
            for key, node in self.manifest.nodes.items()
            if node.resource_type == "test"
            and node.config.enabled
            and (chosen is None or chosen & set(node.depends_on.nodes))
            and not any(
                self.manifest.nodes[one].name in left_out
                for one in node.depends_on.nodes
                if one in self.manifest.nodes
            )
        }
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

    def close(self) -> None:
        """Let go of the database, so that it can be read with other settings."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()

    def write(self, name: str, content: Any) -> None:
        """Write a document beside the outputs."""
        (self.kept / name).write_text(json.dumps(content, indent=1, sort_keys=True), "utf-8")


def main() -> int:
    """Carry out the project, or with ``parse`` only read it."""
    plan = json.loads((Path(__file__).parent / "plan.json").read_text("utf-8"))
    project = Project(plan)
    project.prepare()
    try:
        if sys.argv[1:] == ["parse"]:
            project.parse()
            project.look_beside()
        else:
            project.run()
    except StoppedError as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
