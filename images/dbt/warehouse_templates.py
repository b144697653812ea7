"""Let a project's templates be written for a warehouse: they compile as there, and each query is translated before it runs.

Dispatch, the quotes around names and ``target.type`` are those of the warehouse while a template is compiled. What dbt's
adapter for DuckDB does with the result, the materialization, is DuckDB's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from typing import TYPE_CHECKING, Any

from explain import StoppedError
from node_facts import INTERNAL_PACKAGES, KNOWN_MATERIALIZATIONS
from relation_names import quote
from translation import TranslationError, find_relations, translate_query, translate_type
from warehouse_macros import MACROS, MISSING_MACROS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PREFIXES = {
    "bigquery": ("bigquery",),
    "databricks": ("databricks", "spark"),
    "redshift": ("redshift", "postgres"),
    "snowflake": ("snowflake",),
}
"""The prefixes by which a warehouse's macros are dispatched: its adapter's, and those of the adapters that it rests on."""
BACKTICK_DIALECTS = frozenset({"bigquery", "databricks"})


class WarehouseTemplates:
    """Compiles templates for a warehouse, in this process.

    Attributes:
        dialect: The warehouse, one of `translation.DIALECTS`.
        codes: The code of each node before its translation, by id.
        is_building: Whether code is translated when it is compiled: the relations that it reads are there.
    """

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.codes: dict[str, str] = {}
        self.is_building = False
        self._thread = threading.local()

    @property
    def is_compiling(self) -> bool:
        """Whether this thread renders a template, outside of what the adapter does for it."""
        return bool(getattr(self._thread, "templates", 0)) and not getattr(self._thread, "calls", 0)

    @contextlib.contextmanager
    def _count(self, name: str) -> Iterator[None]:
        setattr(self._thread, name, getattr(self._thread, name, 0) + 1)
        try:
            yield
        finally:
            setattr(self._thread, name, getattr(self._thread, name) - 1)

    def install(self) -> None:
        """Change dbt for the rest of the process."""
        from dbt.adapters.base.relation import BaseRelation
        from dbt.compilation import Compiler
        from dbt.config.profile import Profile
        from dbt.context.providers import BaseDatabaseWrapper, RuntimeDatabaseWrapper

        for owner, name, wrap in (
            (BaseDatabaseWrapper, "_get_adapter_macro_prefixes", self._wrap_prefixes),
            (BaseDatabaseWrapper, "dispatch", self._wrap_dispatch),
            (BaseDatabaseWrapper, "type", self._wrap_type),
            (RuntimeDatabaseWrapper, "__getattr__", self._wrap_adapter),
            (BaseRelation, "quoted", self._wrap_quotes),
            (Profile, "to_target_dict", self._wrap_target),
            (Compiler, "_compile_code", self._wrap_template),
            (Compiler, "compile_node", self._wrap_compilation),
        ):
            setattr(owner, name, wrap(getattr(owner, name)))

    def add_macros(self, manifest: Any) -> None:
        """Add the macros that the warehouse's own adapter would bring."""
        pattern = manifest.macros["macro.dbt.default__dateadd"]
        for name, text in MACROS[self.dialect].items():
            key = f"macro.dbt.{self.dialect}__{name}"
            macro = f"{{%- macro {self.dialect}__{text}{{%- endmacro %}}"
            manifest.macros[key] = dataclasses.replace(
                pattern, name=f"{self.dialect}__{name}", unique_id=key, macro_sql=macro
            )
        manifest._macros_by_name = manifest._macros_by_package = None  # noqa: SLF001 - dbt's caches, without these macros

    def translate_seed_types(self, nodes: Mapping[str, Any]) -> None:
        """Write the declared types of seeds as DuckDB's.

        Raises:
            StoppedError: One has no type in DuckDB with the same values.
        """
        for node in nodes.values():
            if str(node.resource_type) == "seed" and getattr(node.config, "column_types", None):
                try:
                    node.config.column_types = {
                        name: translate_type(str(type_), self.dialect)
                        for name, type_ in node.config.column_types.items()
                    }
                except TranslationError as error:
                    raise StoppedError(f"seed {node.name}: {error}") from error

    def _wrap_prefixes(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def get_prefixes(wrapper: Any) -> list[str]:
            return [*PREFIXES[self.dialect], "default"] if self._renders(wrapper) else list(original(wrapper))

        return get_prefixes

    def _wrap_type(self, original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda wrapper: self.dialect if self._renders(wrapper) else original(wrapper)

    def _renders(self, wrapper: Any) -> bool:
        """Return whether a template of the project asks the adapter, at the time of parsing or compiling."""
        from dbt.context.providers import ParseDatabaseWrapper

        return isinstance(wrapper, ParseDatabaseWrapper) or self.is_compiling

    def _wrap_dispatch(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def dispatch(wrapper: Any, macro_name: str, *arguments: Any, **options: Any) -> Any:
            macro = original(wrapper, macro_name, *arguments, **options)
            described = getattr(macro, "macro", None)
            is_default = (
                described is not None
                and described.package_name in INTERNAL_PACKAGES
                and described.name == f"default__{macro_name}"
            )
            if is_default and self.is_compiling and macro_name in MISSING_MACROS[self.dialect]:
                raise _build_error(f"the macro {macro_name} of dbt-{self.dialect} is not known here")
            return macro

        return dispatch

    def _wrap_adapter(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def get_attribute(wrapper: Any, name: str) -> Any:
            value = original(wrapper, name)
            if not self.is_compiling or not callable(value):
                return value
            if name in {"quote", "quote_as_configured"}:
                return lambda *arguments, **options: self._quote(value(*arguments, **options))

            @functools.wraps(value)
            def call(*arguments: Any, **options: Any) -> Any:
                if name == "execute":
                    sql = options.pop("sql", None) or arguments[0]
                    arguments = (self._translate(sql, named=False), *arguments[1:])
                with self._count("calls"):
                    return value(*arguments, **options)

            return call

        return get_attribute

    def _quote(self, name: str) -> str:
        return name.replace('"', "`") if self.dialect in BACKTICK_DIALECTS else name

    def _wrap_quotes(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def quote_name(relation: Any, identifier: str) -> str:
            quoted = str(original(relation, identifier))
            return self._quote(quoted) if self.is_compiling else quoted

        return quote_name

    def _wrap_target(self, original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda profile: {**original(profile), "type": self.dialect}

    def _wrap_template(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def compile_code(compiler: Any, node: Any, *arguments: Any, **options: Any) -> Any:
            with self._count("templates"):
                return original(compiler, node, *arguments, **options)

        return compile_code

    def _wrap_compilation(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def compile_node(compiler: Any, node: Any, *arguments: Any, **options: Any) -> Any:
            compiled = original(compiler, node, *arguments, **options)
            code = getattr(compiled, "compiled_code", None)
            is_query = str(getattr(compiled, "language", "sql")) == "sql" and code is not None
            if self.is_building and is_query and str(compiled.config.materialized) != "ephemeral":
                self._translate_node(compiled)
            return compiled

        return compile_node

    def _translate_node(self, node: Any) -> None:
        kind = str(node.resource_type)
        if kind == "operation":
            if node.compiled_code.strip():
                raise _build_error(f"hooks around every build are SQL of {self.dialect}, which is not translated")
            return
        if problem := _find_problem(node):
            raise _build_error(f"it is written for {self.dialect}, and {problem}")
        self.codes[node.unique_id] = node.compiled_code
        node.compiled_code = self._translate(node.compiled_code, named=kind != "test")
        if getattr(getattr(node.config, "contract", None), "enforced", False):
            try:
                for column in node.columns.values():
                    column.data_type = column.data_type and translate_type(column.data_type, self.dialect)
            except TranslationError as error:
                raise _build_error(str(error)) from error

    def _translate(self, sql: str, *, named: bool) -> str:
        try:
            relations = find_relations(sql, self.dialect)
            columns = {names: self._describe_relation(names) for names in relations}
            return translate_query(sql, self.dialect, columns, named=named)
        except TranslationError as error:
            raise _build_error(str(error)) from error

    def _describe_relation(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return the types of a relation's columns, by their names in lower case."""
        from dbt.adapters.factory import get_adapter_by_type

        with self._count("calls"):
            _, table = get_adapter_by_type("duckdb").execute(
                f"describe select * from {'.'.join(map(quote, names))}", fetch=True
            )
        return {str(row[0]).lower(): str(row[1]) for row in table.rows}


def _find_problem(node: Any) -> str | None:
    """Return the part of a node that is no query, and so is not translated."""
    if any(getattr(node.config, when, None) for when in ("pre_hook", "post_hook")):
        return "its hooks are not translated"
    materialized = str(node.config.materialized)
    return None if materialized in KNOWN_MATERIALIZATIONS else f"it is materialized as {materialized}"


def _build_error(message: str) -> Exception:
    from dbt_common.exceptions import CompilationError

    return CompilationError(message)
