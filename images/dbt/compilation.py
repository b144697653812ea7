"""Compile a project without building it, and describe each node for `node_facts`."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import importlib.metadata
import json
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from node_facts import INTERNAL_PACKAGES, WORD, MacroDescription, NodeDescription, ProjectDescription
from python_reads import find_python_reads
from sql_reads import TREE_QUERY, SqlReads, find_sql_reads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_FILE_BYTES = 2 * 10**9
BUILT_KINDS = ("model", "snapshot", "seed")
DESCRIBED_KINDS = (*BUILT_KINDS, "test")
FIXED_INVOCATION = "00000000-0000-0000-0000-000000000000"
NAME = re.compile(r"\w+(\.\w+)?")
PURE_ADAPTER_CALLS = frozenset({"quote", "quote_as_configured", "quote_seed_column", "type"})
# Fields of a node that describe it, or follow from others.
DESCRIPTIVE_FIELDS = frozenset(
    {
        "access", "build_path", "checksum", "compiled", "compiled_code", "compiled_path", "config_call_dict", "created_at",
        "database", "deprecation_date", "depends_on", "description", "doc_blocks", "docs", "extra_ctes", "extra_ctes_injected",
        "fqn", "functions", "group", "latest_version", "metrics", "original_file_path", "patch_path", "path", "raw_code",
        "refs", "relation_name", "root_path", "sources", "tags", "unrendered_config", "unrendered_config_call_dict",
    }
)  # fmt: skip
# Settings of a whole project that say where things are, or that reach nodes by their own configuration.
DESCRIPTIVE_SETTINGS = frozenset(
    {
        "analysis-paths", "asset-paths", "clean-targets", "config-version", "data_tests", "docs-paths", "exposures",
        "function-paths", "functions", "log-path", "macro-paths", "metrics", "model-paths", "models", "name", "on-run-end",
        "on-run-start", "packages-install-path", "profile", "require-dbt-version", "restrict-access", "saved-queries",
        "seed-paths", "seeds", "semantic-models", "snapshot-paths", "snapshots", "sources", "target-path", "test-paths",
        "tests", "unit_tests", "vars", "version",
    }
)  # fmt: skip


class Trace:
    """Records, by node, the macros and the adapter's methods that its template calls."""

    def __init__(self) -> None:
        self.macros: dict[str, set[str]] = {}
        self.adapter_calls: dict[str, list[tuple[str, tuple[Any, ...], dict[str, Any]]]] = {}
        self._thread = threading.local()

    @contextlib.contextmanager
    def record(self) -> Iterator[None]:
        """Record until the block ends; a node that fails to compile does not end the compilation."""
        from dbt.clients.jinja import MacroGenerator
        from dbt.compilation import Compiler
        from dbt.context.providers import RuntimeDatabaseWrapper
        from dbt.task.compile import CompileTask

        wrappers = (
            (Compiler, "_compile_code", self._wrap_compilation),
            (MacroGenerator, "__call__", self._wrap_macro),
            (RuntimeDatabaseWrapper, "__getattr__", self._wrap_adapter),
            (CompileTask, "raise_on_first_error", lambda _: lambda _: False),
        )
        with contextlib.ExitStack() as stack:
            for owner, name, wrap in wrappers:
                original = getattr(owner, name)
                stack.callback(setattr, owner, name, original)
                setattr(owner, name, wrap(original))
            yield

    def _get_nodes(self) -> list[str]:
        """Return the nodes that this thread compiles, outermost first."""
        if not hasattr(self._thread, "nodes"):
            self._thread.nodes = []
            self._thread.depth = 0
        return self._thread.nodes

    def _wrap_compilation(self, original: Any) -> Any:
        def compile_code(compiler: Any, node: Any, *arguments: Any, **options: Any) -> Any:
            self._get_nodes().append(node.unique_id)
            try:
                return original(compiler, node, *arguments, **options)
            finally:
                self._get_nodes().pop()

        return compile_code

    def _wrap_macro(self, original: Any) -> Any:
        def call(macro: Any, *arguments: Any, **options: Any) -> Any:
            if nodes := self._get_nodes():
                self.macros.setdefault(nodes[-1], set()).add(macro.macro.unique_id)
            return original(macro, *arguments, **options)

        return call

    def _wrap_adapter(self, original: Any) -> Any:
        def get_attribute(wrapper: Any, name: str) -> Any:
            value = original(wrapper, name)
            nodes = self._get_nodes()
            if not nodes:
                return value
            if not callable(value):
                self.adapter_calls.setdefault(nodes[-1], []).append((name, (), {}))
                return value

            def call(*arguments: Any, **options: Any) -> Any:
                # Calls made by the adapter itself belong to the outer one.
                if self._thread.depth == 0:
                    self.adapter_calls.setdefault(nodes[-1] if nodes else "", []).append((name, arguments, options))
                self._thread.depth += 1
                try:
                    return value(*arguments, **options)
                finally:
                    self._thread.depth -= 1

            return call

        return get_attribute


def fix_clock(started: str | None) -> None:
    """Set for every template the same ``run_started_at`` and ``invocation_id``, on both sides of a diff."""
    import dbt.context.base
    from dbt import tracking

    if started is not None:
        moment = dt.datetime.fromisoformat(started).astimezone(dt.UTC)
        tracking.User.run_started_at = property(lambda _: moment, lambda *_: None)
        dbt.context.base.get_invocation_id = lambda: FIXED_INVOCATION


def fix_snapshot_time(manifest: Any, started: str | None) -> None:
    """Set the same time for snapshots on both sides of a diff, instead of the database's own at each run.

    Their ``dbt_scd_id``, ``dbt_updated_at``, ``dbt_valid_from`` and ``dbt_valid_to`` follow from it. A macro of the
    project that overrides the time stays.
    """
    if started is None:
        return
    moment = dt.datetime.fromisoformat(started).astimezone(dt.UTC).replace(tzinfo=None)
    for macro in manifest.macros.values():
        if macro.name.endswith("__snapshot_get_time") and macro.package_name in INTERNAL_PACKAGES:
            macro.macro_sql = (
                f"{{% macro {macro.name}() -%}} '{moment.isoformat(sep=' ')}'::timestamp {{%- endmacro %}}"
            )


@contextlib.contextmanager
def undo_compilation(manifest: Any) -> Iterator[None]:
    """Leave a manifest's nodes as they were before they are compiled in the block; dbt's own copy of a manifest fails on some."""
    from dbt.contracts.graph.nodes import CompiledNode

    targets = [
        (constraint, constraint.to)
        for node in manifest.nodes.values()
        for constraint in getattr(node, "all_constraints", ())
    ]
    try:
        yield
    finally:
        for node in manifest.nodes.values():
            if isinstance(node, CompiledNode):
                node.compiled, node.compiled_code, node.compiled_path = False, None, None
                node.extra_ctes, node.extra_ctes_injected = [], False
                node._pre_injected_sql = None  # noqa: SLF001 - dbt has no other way to forget it
        for constraint, target in targets:
            constraint.to = target


class ProjectDescriber:
    """Describes a compiled project.

    Args:
        manifest: dbt's manifest of the project.
        compiled: The compiled nodes, by id.
        trace: Recorded while they were compiled.
        tables: The name of the sample's table behind each source or seed, by id.
        settings: Other settings of the run: ``adapter``, ``environment`` (variables by name), ``normalize`` (a function of
            text), ``dialect`` (the warehouse that templates are written for, or None).
    """

    def __init__(
        self,
        manifest: Any,
        compiled: Mapping[str, Any],
        trace: Trace,
        tables: Mapping[str, str],
        settings: Mapping[str, Any],
    ) -> None:
        self.manifest = manifest
        self.compiled = compiled
        self.trace = trace
        self.tables = tables
        self.settings = settings
        self.parser = duckdb.connect()
        self.stable_places = {self._get_place(source)[1:] for source in manifest.sources.values()}

    def describe(self) -> ProjectDescription:
        """Return the description."""
        nodes = {
            key: self._describe_node(key, node)
            for key, node in self.manifest.nodes.items()
            if str(node.resource_type) in DESCRIBED_KINDS
        }
        nodes.update((key, self._describe_source(key, source)) for key, source in self.manifest.sources.items())
        nodes.update((key, self._describe_unit_test(test)) for key, test in self.manifest.unit_tests.items())
        projects = _read_project_files()
        return ProjectDescription(
            nodes=nodes,
            macros={key: _describe_macro(macro) for key, macro in self.manifest.macros.items()},
            adapter=self.settings["adapter"],
            hooks=tuple(
                node.raw_code
                for _, node in sorted(self.manifest.nodes.items())
                if str(node.resource_type) == "operation"
            ),
            project=self._describe_project(projects),
            givens=_list_givens(projects, self.settings["environment"]),
        )

    def _describe_project(self, projects: list[dict[str, Any]]) -> Any:
        settings = [
            {key: value for key, value in project.items() if key not in DESCRIPTIVE_SETTINGS} for project in projects
        ]
        reads_environment = "env_var" in json.dumps(settings, default=str)
        versions = sorted({f"{one.metadata['Name']}=={one.version}" for one in importlib.metadata.distributions()})
        return {
            "settings": settings,
            "environment": self.settings["environment"] if reads_environment else None,
            "versions": versions,
            "target": self._describe_target(),
        }

    def _describe_target(self) -> list[str | None]:
        names = ("DBT_TARGET", "DBT_SCHEMA", "OMP_NUM_THREADS")
        dialect = [self.settings["dialect"]] if self.settings["dialect"] else []
        return [*(os.environ.get(name) for name in names), *dialect]

    def _describe_source(self, key: str, source: Any) -> NodeDescription:
        return NodeDescription(
            name=f"{source.source_name}.{source.name}",
            kind="source",
            place=self._get_place(source),
            parts={"table": self.tables.get(key), "relation": self._get_place(source)},
        )

    def _describe_unit_test(self, test: Any) -> NodeDescription:
        """Describe a unit test: it renders its model anew, with fixtures instead of parents."""
        model = next((self.manifest.nodes[one] for one in test.depends_on.nodes if one in self.manifest.nodes), None)
        macros = {
            name: macro.macro_sql
            for name, macro in self.manifest.macros.items()
            if macro.package_name not in {"dbt", f"dbt_{self.settings['adapter']}"}
        }
        fixtures = {name: fixture.to_dict() for name, fixture in getattr(self.manifest, "fixtures", {}).items()}
        parts = {
            "code": [
                model.raw_code if model else None,
                macros,
                fixtures,
                [p.get("vars") for p in _read_project_files()],
            ],
            "settings": [
                _drop_descriptive(test.to_dict(omit_none=True)),
                os.environ.get("DBT_VARS"),
                self.settings["environment"],
            ],
        }
        parents = tuple(model.depends_on.nodes) if model else ()
        return NodeDescription(
            name=test.name,
            kind="unit_test",
            materialized="unit",
            parents=(*test.depends_on.nodes, *parents),
            parts=parts,
        )

    def _describe_node(self, key: str, node: Any) -> NodeDescription:
        kind = str(node.resource_type)
        described = NodeDescription(
            name=node.name,
            kind=kind,
            materialized=str(node.config.materialized),
            parents=tuple(getattr(node.depends_on, "nodes", ())),
            place=self._get_place(node),
            called=tuple(sorted(self.trace.macros.get(key, ()))),
            hooks=tuple(
                hook.sql for when in ("pre_hook", "post_hook") for hook in getattr(node.config, when, None) or ()
            ),
        )
        parts: dict[str, Any] = {"settings": self._normalize(_drop_descriptive(node.to_dict(omit_none=True)))}
        if kind == "seed":
            return self._describe_seed(key, node, described, parts)
        compiled = self.compiled.get(key)
        problem = self._find_problem(key, node)
        if described.materialized == "ephemeral":
            # Its code is part of its readers' compiled code.
            return dataclasses.replace(described, template_names=_list_names(node.raw_code)[0], problem=problem)
        if compiled is None:
            return dataclasses.replace(
                described, parts=parts, problem=problem or "its SQL cannot be compiled before its parents are built"
            )
        if str(getattr(node, "language", "sql")) == "python":
            reads = find_python_reads(node.raw_code)
            relations, names = (), frozenset()
        else:
            reads = self._find_reads(compiled)
            relations, names = reads.relations, _list_names(node.raw_code)[0]
        files, file_problem = _digest_files(reads.files)
        parts["code"] = self._normalize(compiled)
        if files:
            parts["files"] = files
        return dataclasses.replace(
            described,
            parts=parts,
            relations=tuple(map(self._normalize_place, relations)),
            template_names=names,
            problem=problem or reads.problem or file_problem,
        )

    def _describe_seed(self, key: str, node: Any, described: NodeDescription, parts: dict[str, Any]) -> NodeDescription:
        if key in self.tables:
            return dataclasses.replace(described, parts={**parts, "table": self.tables[key]})
        path = Path(node.root_path or ".") / node.original_file_path
        try:
            return dataclasses.replace(described, parts={**parts, "seed": _hash_file(path)})
        except OSError as error:
            return dataclasses.replace(described, parts=parts, problem=f"its file cannot be read: {error.strerror}")

    def _find_problem(self, key: str, node: Any) -> str | None:
        """Return why compiled code does not prove what a node reads."""
        functions = [parent for parent in getattr(node.depends_on, "nodes", ()) if parent.startswith("function.")]
        if functions:
            return f"it calls {functions[0]}"
        if getattr(node.config, "incremental_strategy", None) == "microbatch":
            return "its batches depend on the time"
        for name, arguments, options in self.trace.adapter_calls.get(key, ()):
            if problem := self._judge_adapter_call(node, name, arguments, options):
                return problem
        return None

    def _judge_adapter_call(
        self, node: Any, name: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> str | None:
        """Return a problem if the answer to a call depends on other nodes' relations."""
        if name in PURE_ADAPTER_CALLS:
            return None
        if name == "get_relation":
            place = [
                *arguments,
                *(options.get(part) for part in ("database", "schema", "identifier") if part in options),
            ]
            if [str(part).lower() for part in place[1:]] == [node.schema.lower(), node.alias.lower()]:
                return None
        if name == "get_columns_in_relation" and arguments:
            relation = arguments[0]
            if (str(relation.schema).lower(), str(relation.identifier).lower()) in self.stable_places:
                return None
        if name == "execute" and (arguments or "sql" in options):
            reads = self._find_reads(str(arguments[0] if arguments else options["sql"]))
            if (
                reads.problem is None
                and not reads.files
                and all(place[-2:] in self.stable_places for place in reads.relations)
            ):
                return None
        return f"its SQL is compiled from the database's contents (adapter.{name})"

    def _find_reads(self, sql: str) -> SqlReads:
        if self.settings["dialect"]:
            from translation import find_reads

            return find_reads(sql, self.settings["dialect"])
        (tree,) = self.parser.execute(TREE_QUERY, [sql]).fetchone()
        return find_sql_reads(json.loads(tree))

    def _get_place(self, node: Any) -> tuple[str, str, str]:
        names = (node.database or "", node.schema or "", getattr(node, "identifier", None) or node.alias)
        return tuple(self.settings["normalize"](str(name)).lower() for name in names)

    def _normalize_place(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.settings["normalize"](name) for name in names)

    def _normalize(self, content: Any) -> Any:
        return json.loads(self.settings["normalize"](json.dumps(content, default=str)))


def _describe_macro(macro: Any) -> MacroDescription:
    names, words = _list_names(macro.macro_sql)
    return MacroDescription(
        name=macro.name, package=macro.package_name, text=macro.macro_sql, names=names, words=names | words
    )


def _drop_descriptive(node: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a node that can change its output."""
    kept = {key: value for key, value in node.items() if key not in DESCRIPTIVE_FIELDS}
    for section in ("config", *(["columns"] if isinstance(node.get("columns"), dict) else [])):
        if section == "config" and isinstance(kept.get("config"), dict):
            kept["config"] = {key: value for key, value in kept["config"].items() if key not in DESCRIPTIVE_FIELDS}
        elif section == "columns":
            kept["columns"] = {
                name: {
                    key: value for key, value in column.items() if key not in {*DESCRIPTIVE_FIELDS, "config", "meta"}
                }
                for name, column in kept["columns"].items()
            }
    return kept


def _list_names(template: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names used in a template's expressions and statements, and the literals there that can be names."""
    from dbt_common.clients.jinja import get_environment
    from jinja2.exceptions import TemplateError

    try:
        tokens = [(kind, value) for _, kind, value in get_environment().lex(template)]
    except TemplateError:
        return frozenset({"context"}), frozenset()
    names = frozenset(value for kind, value in tokens if kind == "name")
    literals = (value[1:-1] for kind, value in tokens if kind == "string")
    return names, frozenset(part for text in literals if NAME.fullmatch(text) for part in WORD.findall(text))


def _read_project_files() -> list[dict[str, Any]]:
    """Read the settings of the project and its packages."""
    import yaml

    root = yaml.safe_load(Path("dbt_project.yml").read_text("utf-8")) or {}
    folder = Path(os.environ.get("DBT_PACKAGES_INSTALL_PATH") or root.get("packages-install-path") or "dbt_packages")
    packages = sorted(folder.glob("*/dbt_project.yml"))
    return [root, *(yaml.safe_load(path.read_text("utf-8")) or {} for path in packages)]


def _list_givens(projects: list[dict[str, Any]], environment: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the values of variables of dbt, of all projects and of the command, and of the environment, by name."""
    import yaml

    givens: dict[str, list[Any]] = {}
    levels = [project.get("vars") or {} for project in projects]
    levels.append(yaml.safe_load(os.environ.get("DBT_VARS") or "{}"))
    for level in levels:  # a package's variables are below its name
        nested = [value for value in level.values() if isinstance(value, dict)]
        for name, value in (entry for values in [level, *nested] for entry in values.items()):
            givens.setdefault(str(name), []).append(value)
    for name, value in sorted(environment.items()):
        givens.setdefault(name, []).append(value)
    return givens


def _digest_files(patterns: tuple[str, ...]) -> tuple[dict[str, str], str | None]:
    """Return the digests of all files that match paths or patterns below the project, or why that cannot be told."""
    root = Path.cwd().resolve()
    digests, size = {}, 0
    for pattern in patterns:
        literal = next((index for index, character in enumerate(pattern) if character in "*?[{"), None)
        path = Path(pattern) if literal is None else Path(f"{pattern[:literal]}x").parent
        if "://" in pattern or not path.resolve().is_relative_to(root):
            return {}, f"it reads {pattern}, outside the project"
        if not path.exists():
            return {}, f"it reads {pattern}, which is not in the code"
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            if not file.resolve().is_relative_to(root):
                return {}, f"it reads {pattern}, which has a link out of the project"
            size += file.stat().st_size
            if size > MAX_FILE_BYTES:
                return {}, f"it reads more than {MAX_FILE_BYTES // 10**9} GB of files"
            digests[file.as_posix()] = _hash_file(file)
    return digests, None


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
