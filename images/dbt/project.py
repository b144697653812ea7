"""Runs one version of a dbt project on the sample, inside the sandbox; see docs/dbt.md.

It writes into ``$SANDBOX_OUTPUT`` one Parquet file a model and snapshot, and into its folder ``_dbt``: ``manifest.json``
(dbt's own), ``nodes.json`` (the facts by which a later run reuses nodes), ``code.json`` (their code), ``built.json`` (what was changed, built and taken
over, what failed), ``lineage.json`` (who depends on whom) and ``tests.json`` (what dbt's own tests found).
"""

from __future__ import annotations

import contextlib
import difflib
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from compilation import ProjectDescriber, Trace, fix_clock, fix_snapshot_time, undo_compilation
from explain import StoppedError, describe_failures, explain_error
from graph import find_read_nodes, list_tests, select_exactly
from lineage import describe_lineage
from node_facts import NodeFacts, build_facts, compute_digest, list_clock_readers
from node_reuse import BuildReason, find_nodes_to_build, sort_by_lineage
from profiles import describe_profile
from relation_names import find_table, name_outputs
from results import (
    BUILT_STATUSES,
    RESOURCE_ERROR,
    NodeFailure,
    describe_failure,
    describe_results,
    describe_skipped_test,
    find_unbuilt_nodes,
)
from state import State

NOTHING_OF_OURS = {  # dbt neither calls anybody nor writes into the code
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "DBT_VERSION_CHECK": "false",
    "DBT_USE_COLORS": "false",
}
MAX_DIFFERENCE_LINES = 200
KINDS = ("model", "snapshot", "seed")
NO_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


class Project:
    """A dbt project in the working directory, the sample, and a database that is made for it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.output = Path(os.environ["SANDBOX_OUTPUT"])
        self.kept = self.output / "_dbt"
        self.kept.mkdir(exist_ok=True)
        self.sample = os.environ.get("SANDBOX_SAMPLE")
        self.state = State(Path(os.environ["SANDBOX_STATE"])) if "SANDBOX_STATE" in os.environ else None
        self.plan = plan
        self.work = Path(tempfile.gettempdir()) / "dbt"
        self.work.mkdir(exist_ok=True)
        self.own_profile = describe_profile()
        self.base = self.create_database()
        self.templates = self.create_templates()
        self.manifest: Any = None
        self.shown: dict[str, str] = {}
        self.facts: dict[str, NodeFacts] = {}
        self.clock_readers: list[str] = []
        self.compiled: dict[str, str] = {}
        self.failed: dict[str, NodeFailure] = {}

    def create_database(self) -> Any:
        """Return the database in which the models run; for reading alone, that of the project's own profile."""
        asked = {"memory": self.plan["memory"], "threads": int(os.environ.get("OMP_NUM_THREADS", "1"))}
        if self.plan.get("postgres", self.own_profile["adapter"] == "postgres"):
            from postgres_database import PostgresDatabase

            return PostgresDatabase(self.kept, self.work, **asked)
        from duckdb_database import DuckDBDatabase

        return DuckDBDatabase(self.kept, self.work, **asked)

    def create_templates(self) -> Any:
        """Return what compiles templates for another warehouse; None where they are the database's own."""
        if not self.plan.get("dialect"):
            return None
        from warehouse_templates import WarehouseTemplates

        return WarehouseTemplates(self.plan["dialect"])

    def prepare(self) -> None:
        """Set what dbt reads from its environment, before it is imported."""
        os.environ.update(NOTHING_OF_OURS)
        os.environ["DBT_TARGET_PATH"] = str(self.work / "target")
        os.environ["DBT_LOG_PATH"] = str(self.work / "logs")
        os.environ["DBT_PROFILES_DIR"] = str(self.work)
        self.write_profile()
        fix_clock(self.plan.get("started"))
        if self.templates is not None:
            self.templates.install()

    def write_profile(self) -> None:
        """Write the profile that takes the place of the project's own; JSON is YAML."""
        target = os.environ.get("DBT_TARGET", "prod")
        profile = {"sandbox": {"target": target, "outputs": {target: self.base.build_profile()}}}
        (self.work / "profiles.yml").write_text(json.dumps(profile), "utf-8")

    def run_dbt(self, *arguments: str) -> Any:
        """Call dbt; its own complaints are its output."""
        from dbt.cli.main import dbtRunner

        options = ["--profile", "sandbox", "--profiles-dir", str(self.work)]
        if variables := os.environ.get("DBT_VARS"):
            options += ["--vars", variables]
        done = dbtRunner(manifest=self.manifest).invoke(["--no-partial-parse", *arguments, *options])
        if not done.success and done.exception is not None:
            raise StoppedError(explain_error(str(done.exception)))
        return done

    def parse(self) -> None:
        """Read the project; keep what dbt says of it."""
        self.manifest = self.run_dbt("parse").result
        fix_snapshot_time(self.manifest, self.plan.get("started"))
        if self.templates is not None:
            self.templates.add_macros(self.manifest)
        (self.kept / "manifest.json").write_text(self.base.adapt_manifest(self.manifest), "utf-8")
        self.write_profile()

    def create_source_views(self) -> None:
        """Show the sample's tables where the project's sources and seeds are."""
        tables = self.list_sample_tables()
        places: list[tuple[Any, str]] = []
        missing = []
        for source in self.manifest.sources.values():
            names = (f"{source.schema}.{source.identifier}", f"{source.source_name}.{source.name}")
            found = find_table(tables, *names, source.identifier, source.name)
            if found:
                places.append((source, found))
            elif reader := self.find_reader(source.unique_id):
                missing.append(f"source {source.source_name}.{source.name}, which {reader} reads")
        places += [
            (node, find_table(tables, node.name) or node.name)
            for node in self.list_built_nodes().values()
            if node.resource_type == "seed" and node.name in self.plan["seeds"]
        ]
        if missing:
            raise StoppedError(
                "the sample has no table for "
                + "; nor for ".join(missing)
                + f"\nits tables are {', '.join(sorted(tables)) or 'none'}; add the others to sandbox.toml as [tables.NAME]"
            )
        self.base.create_sample_views([(node, tables[name]) for node, name in places])
        self.shown = {node.unique_id: name for node, name in places}

    def list_sample_tables(self) -> dict[str, Path]:
        """Return the sample's tables."""
        return {one.name: one for one in Path(self.sample).iterdir() if one.is_dir()} if self.sample else {}

    def list_built_nodes(self) -> dict[str, Any]:
        """Return what makes tables: models, snapshots and seeds."""
        return {
            key: node
            for key, node in self.manifest.nodes.items()
            if node.resource_type in KINDS and node.config.materialized != "ephemeral"
        }

    def find_reader(self, source: str) -> str | None:
        """Return a model that reads a source."""
        for node in self.list_built_nodes().values():
            if source in node.depends_on.nodes and node.resource_type != "seed":
                return node.name
        return None

    def compile(self, without: list[str]) -> None:
        """Compile everything, without a build, and compute the facts of each node.

        The database has the sample alone then, on both sides of a diff.
        """
        trace = Trace()
        with undo_compilation(self.manifest):
            with trace.record(), contextlib.redirect_stdout(io.StringIO()):
                done = self.run_dbt("--quiet", "compile", *without)
            self.compiled = {
                result.node.unique_id: result.node.compiled_code
                for result in (done.result.results if done.result else [])
                if str(result.status) == "success" and getattr(result.node, "compiled_code", None) is not None
            }
        self.base.close_connections()
        settings = {
            "adapter": self.base.adapter,
            "environment": {name: os.environ[name] for name in self.plan["environment"]},
            "normalize": self.base.normalize,
            "dialect": self.plan.get("dialect"),
        }
        described = ProjectDescriber(self.manifest, self.compiled, trace, self.shown, settings).describe()
        self.facts = build_facts(described)
        self.clock_readers = list_clock_readers(described)
        if self.templates is not None:
            self.templates.is_building = True
            self.templates.translate_seed_types(self.manifest.nodes)

    def run(self) -> None:
        """Build what has to be built, take over the rest, keep the outputs, run the tests."""
        self.parse()
        self.create_source_views()
        nodes = self.list_built_nodes()
        ours = [
            node.name for node in nodes.values() if node.resource_type == "seed" and node.name in self.plan["seeds"]
        ]
        left_out = [*ours, *os.environ.get("DBT_EXCLUDE", "").split()]
        without = ["--exclude", *left_out] if left_out else []
        everything = set(self.list_nodes(*without)) & set(nodes)
        self.compile(without)
        reasons = find_nodes_to_build(self.state.facts, self.facts) if self.state else {}
        chosen = self.choose(nodes, everything, reasons, left_out) if self.state else everything
        over = sorted(everything - chosen)
        selected_tests = self.choose_tests(chosen, reasons, left_out)
        names = name_outputs(nodes)
        if self.state is not None:
            self.take_over(nodes, over, find_read_nodes(self.manifest.nodes, self.facts, chosen, selected_tests))
        self.build(nodes, chosen, without, whole=chosen == everything)
        answers = self.run_tests(selected_tests)
        self.store_nodes(nodes, chosen, names)
        if not everything - self.failed.keys():
            raise StoppedError("\n".join(f"{nodes[key].name}: {one.cause}" for key, one in sorted(self.failed.items())))
        self.write_records(nodes, everything, chosen, reasons, names)
        self.write_document("tests.json", answers)

    def list_nodes(self, *selection: str) -> list[str]:
        """Return the ids of what a selection of dbt's holds."""
        kinds = [word for kind in KINDS for word in ("--resource-type", kind)]
        with contextlib.redirect_stdout(io.StringIO()):
            done = self.run_dbt("--quiet", "ls", *kinds, "--output", "json", "--output-keys", "unique_id", *selection)
        if not done.success:
            raise StoppedError("dbt cannot list the project's models")
        return [json.loads(line)["unique_id"] for line in done.result or []]

    def choose(
        self, nodes: dict[str, Any], everything: set[str], reasons: dict[str, BuildReason], left_out: list[str]
    ) -> set[str]:
        """Return the nodes to build: those with a reason, and those whose rows the database cannot get from the state."""
        assert self.state is not None
        for key in everything - reasons.keys():
            if self.state.find_file(key) is None:
                reasons[key] = BuildReason(kind="unproven", text="the baseline's run has no rows of it")
        while True:
            chosen = select_exactly(nodes, everything, everything & reasons.keys())
            selected_tests = self.choose_tests(chosen, reasons, left_out)
            needed = find_read_nodes(self.manifest.nodes, self.facts, chosen, selected_tests)
            missing = {
                key
                for key in (needed & everything) - chosen
                if self.state.find_exact_file(key, self.base.exact) is None
            }
            for key in chosen - reasons.keys():
                reasons[key] = BuildReason(kind="unproven", text="dbt cannot leave it out of the selection")
            if not missing:
                return chosen
            for key in missing:
                reasons[key] = BuildReason(kind="unproven", text="its types cannot be loaded again")

    def choose_tests(self, chosen: set[str], reasons: dict[str, BuildReason], left_out: list[str]) -> dict[str, Any]:
        """Return the tests to run: all of them, or those whose result may differ from the baseline's."""
        found = list_tests(self.manifest, left_out)
        if self.state is None:
            return found
        return {
            key: test
            for key, test in found.items()
            if key in reasons or key not in self.state.tests or chosen & set(self.facts[key].reads)
        }

    def build(self, nodes: dict[str, Any], chosen: set[str], without: list[str], *, whole: bool) -> None:
        """Build nodes; a node whose code is other than compiled before has no proof."""
        if not chosen:
            return
        selection: list[str] = []
        if not whole:
            assert self.state is not None
            functions = getattr(self.manifest, "functions", {}).values()  # dbt does not build them with their readers
            fqns = [".".join(one.fqn) for one in [*(nodes[key] for key in sorted(chosen)), *functions]]
            selection = ["--select", *fqns, "--defer", "--state", str(self.base.prepare_state(self.state.kept))]
        done = self.run_dbt("build", *NO_TESTS, *selection, *without)
        if not done.success:
            self.record_failures(done, chosen)
        for result in done.result.results:
            facts = self.facts.get(result.node.unique_id)
            code = getattr(result.node, "compiled_code", None)
            if self.templates is not None:
                code = self.templates.codes.get(result.node.unique_id, code)
            if facts is None or code is None or "code" not in facts.parts:
                continue
            if compute_digest(json.loads(self.base.normalize(json.dumps(code)))) != facts.parts["code"]:
                problem = facts.problem or "its SQL differs each time that it is compiled"
                self.facts[result.node.unique_id] = NodeFacts(**{**vars(facts), "problem": problem})

    def record_failures(self, done: Any, chosen: set[str]) -> None:
        """Record which nodes failed in a build, and which were not built because of them.

        Raises:
            StoppedError: Nothing was built, a hook around every build failed, or memory or disk did not suffice.
        """
        text = describe_failures(done, self.base.adapter, self.own_profile["adapters"])
        results = done.result.results if done.result else []
        wrong = {one.node.unique_id: one for one in results if str(one.status) not in {*BUILT_STATUSES, "skipped"}}
        built = {one.node.unique_id for one in results if str(one.status) in BUILT_STATUSES}
        elsewhere = any(key not in self.manifest.nodes or key.startswith("operation.") for key in wrong)
        scarce = any(RESOURCE_ERROR.search(one.message or "") for one in wrong.values())
        if not wrong or elsewhere or scarce or not (built or self.state):
            raise StoppedError(text)
        print(text, file=sys.stderr)
        for key in sorted(wrong):
            self.record_failure(key, wrong[key].message or "")
        unbuilt = find_unbuilt_nodes(wrong, chosen, self.manifest.nodes, self.facts)
        self.failed |= {key: NodeFailure(parent=name) for key, name in unbuilt.items()}
        for key in chosen - built - self.failed.keys():
            self.record_failure(key, "dbt did not build it")

    def record_failure(self, key: str, message: str) -> None:
        """Record that a node failed by itself."""
        self.failed[key] = describe_failure(
            message,
            model=self.manifest.nodes[key].name,
            adapter=self.base.adapter,
            adapters=self.own_profile["adapters"],
        )

    def store_nodes(self, nodes: dict[str, Any], chosen: set[str], names: dict[str, str]) -> None:
        """Write what was built; a view whose rows cannot be read has failed."""
        built = {key: nodes[key] for key in sorted(chosen - self.failed.keys())}
        for key, message in self.base.store_nodes(built, lambda node: self.build_output_path(node, names)).items():
            if RESOURCE_ERROR.search(message):
                raise StoppedError(f"{nodes[key].name}: {message}")
            print(f"{nodes[key].name}: its rows cannot be read: {message}", file=sys.stderr)
            self.build_output_path(nodes[key], names).unlink(missing_ok=True)
            self.record_failure(key, message)

    def take_over(self, nodes: dict[str, Any], keys: list[str], needed: set[str]) -> None:
        """Bring what the state made to where it would have been made here, and keep it as an output of this run too.

        Where bringing is a copy, only what is needed is brought.
        """
        assert self.state is not None
        names, brought = name_outputs(nodes), []
        for key in keys:
            file = self.state.find_file(key)
            assert file is not None
            shutil.copyfile(file, self.build_output_path(nodes[key], names))
            if key in needed or not self.base.exact:
                brought.append((nodes[key], self.state.find_exact_file(key, self.base.exact)))
        self.base.restore_nodes(brought)

    def build_output_path(self, node: Any, names: dict[str, str]) -> Path:
        """Return the file that keeps what a node made; seeds are no outputs."""
        if node.resource_type == "seed":
            return self.kept / f"{node.unique_id}.parquet"
        return self.output / f"{names[node.unique_id]}.parquet"

    def run_tests(self, selected: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Run tests, and take the results of the others over; a failing test is no failure of the run."""
        answers: dict[str, dict[str, Any]] = {}
        if self.state is not None:
            there = list_tests(self.manifest, ()).keys() - selected.keys()
            answers = {key: result for key, result in self.state.tests.items() if key in there}
        waiting = {}
        for key, test in selected.items():
            read = {*getattr(test.depends_on, "nodes", ()), *self.facts[key].reads}
            if lost := sorted(read & self.failed.keys()):
                answers[key] = describe_skipped_test(test, self.manifest.nodes[lost[0]].name)
            else:
                waiting[key] = test
        if not waiting:
            return answers
        names = sorted({test.name for test in waiting.values()})
        done = self.run_dbt("test", "--select", *names)
        ran = describe_results(done)
        return {**{key: result for key, result in ran.items() if key in waiting}, **answers}

    def find_code_changes(self, nodes: dict[str, Any], reasons: dict[str, BuildReason]) -> dict[str, str]:
        """Return the difference of each changed node's code: of its template, or of what that compiles to."""
        changes: dict[str, str] = {}
        for key in sorted(nodes.keys() & reasons.keys()):
            before = self.state.code.get(key) if self.state else None
            if before is None or reasons[key].kind != "changed":
                continue
            versions = zip(before, self.get_code(nodes[key]), strict=True)
            for (old, new), label in zip(versions, ("", "compiled: "), strict=True):
                if old is not None and new is not None and old != new:
                    lines = difflib.unified_diff(
                        old.splitlines(), new.splitlines(), "baseline", "candidate", "", "", 3, ""
                    )
                    path = f"{label}{nodes[key].original_file_path}"
                    changes[nodes[key].name] = "\n".join([path, *itertools.islice(lines, MAX_DIFFERENCE_LINES)])
                    break
        return changes

    def get_code(self, node: Any) -> list[str | None]:
        """Return a node's template and compiled code; None for a seed's."""
        compiled = self.compiled.get(node.unique_id)
        return [node.raw_code or None, None if compiled is None else self.base.normalize(compiled)]

    def write_records(
        self,
        nodes: dict[str, Any],
        everything: set[str],
        chosen: set[str],
        reasons: dict[str, BuildReason],
        names: dict[str, str],
    ) -> None:
        """Write what was built and why, and the facts for later runs."""
        places = {key: list(map(str, (node.schema, node.alias))) for key, node in nodes.items()}
        before = self.state.places if self.state else {}
        self.write_document("built.json", {
            "changed": None if self.state is None else sorted(
                nodes[key].name for key, reason in reasons.items() if reason.kind == "changed" and key in everything
            ),
            "built": sorted(nodes[key].name for key in chosen),
            "taken_over": sorted(nodes[key].name for key in everything - chosen) if self.state is not None else [],
            "reasons": {nodes[key].name: reason.text for key, reason in sorted(reasons.items()) if key in everything},
            "unproven": sorted(
                nodes[key].name for key, reason in reasons.items() if reason.kind == "unproven" and key in everything
            ),
            "moved": {
                nodes[key].name: [".".join(before[key]), ".".join(place)]
                for key, place in sorted(places.items())
                if key in everything and before.get(key, place) != place
            },
            "incremental": sorted(
                nodes[key].name for key in chosen if nodes[key].config.materialized == "incremental"
            ),
            "clock_readers": self.clock_readers,
            "order": [
                names[key]
                for key in sort_by_lineage(self.facts, reasons)
                if key in everything and nodes[key].resource_type != "seed"
            ],
            "code_changes": self.find_code_changes(nodes, reasons),
            "outputs": {
                key: names[key]
                for key in sorted(everything - self.failed.keys())
                if nodes[key].resource_type != "seed"
            },
            "failed": {
                key: {
                    **self.failed[key].to_dict(),
                    "name": nodes[key].name if nodes[key].resource_type == "seed" else names[key],
                    "output": None if nodes[key].resource_type == "seed" else names[key],
                }
                for key in sorted(self.failed.keys() & nodes.keys())
            },
            "places": {key: places[key] for key in sorted(everything)},
        })  # fmt: skip
        outputs = {key: names[key] for key in nodes if nodes[key].resource_type != "seed"}
        self.write_document("lineage.json", describe_lineage(self.manifest, outputs, self.shown))
        self.write_document("code.json", {key: self.get_code(node) for key, node in nodes.items()})
        self.write_document("nodes.json", {key: facts.to_dict() for key, facts in self.facts.items()})

    def write_document(self, name: str, content: Any) -> None:
        """Write a document beside the outputs."""
        (self.kept / name).write_text(json.dumps(content, indent=1, sort_keys=True), "utf-8")


def main() -> int:
    """Run the project, or with ``parse`` only read it."""
    plan = json.loads((Path(__file__).parent / "plan.json").read_text("utf-8"))
    try:
        project = Project(plan)
        project.prepare()
        if sys.argv[1:] == ["parse"]:
            project.parse()
            project.write_document("beside.json", project.own_profile)
        else:
            project.run()
    except (StoppedError, ModuleNotFoundError) as error:
        sys.stdout.flush()
        print(explain_error(str(error)) if isinstance(error, ModuleNotFoundError) else error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
