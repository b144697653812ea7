"""Parse a dbt manifest: sources and seeds with keys and references, models with keys. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sandbox.sources.table import DeclaredConstraints

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLAIN_NAME = re.compile(r"\w+")
READER_CALL = re.compile(r"\s*read_\w+\(\s*(?P<quote>['\"])(?P<path>[^'\"]+)(?P=quote)\s*(,[^()]*)?\)\s*")
"""A location that calls one of DuckDB's readers on one path."""
TEST_ORIGIN = "by the project's own tests"


@dataclass(frozen=True, kw_only=True)
class DbtInput:
    """A source's table or a seed read by the project's models.

    Attributes:
        id: dbt's unique id.
        names: Possible names of its table in the sample, the most specific first.
        file: A seed's file, or the single file declared by a source; else None.
        seed: Whether it is a seed.
    """

    id: str
    names: tuple[str, ...]
    file: str | None
    seed: bool


@dataclass(frozen=True, kw_only=True)
class DbtModel:
    """A materialized model or snapshot with its declared key, if any, and its described columns."""

    name: str
    key: tuple[str, ...] | None
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DbtProject:
    """Parts of a dbt project relevant to sampling and comparison."""

    name: str
    inputs: tuple[DbtInput, ...]
    models: tuple[DbtModel, ...]
    declarations: Mapping[str, DeclaredConstraints] = field(default_factory=dict)

    @property
    def reads_only_seeds(self) -> bool:
        """Whether its only source is its seeds."""
        return all(entry.seed for entry in self.inputs)


def parse_manifest(manifest: Mapping[str, Any]) -> DbtProject:
    """Parse a manifest, including only the sources and seeds with readers."""
    nodes = manifest["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] in {"model", "snapshot"}}
    read = {parent for node in models.values() for parent in node["depends_on"]["nodes"]}
    sources = [_parse_source(key, node) for key, node in manifest["sources"].items() if key in read]
    seeds = [_parse_seed(key, node) for key, node in nodes.items() if node["resource_type"] == "seed" and key in read]
    inputs = tuple(sources or seeds)
    input_ids = {entry.id for entry in inputs}
    keys = {key: declared.key for key, declared in _read_declarations(nodes, {*models, *input_ids}).items()}
    return DbtProject(
        name=manifest["metadata"]["project_name"],
        inputs=inputs,
        models=tuple(
            _parse_model(node, keys.get(key))
            for key, node in sorted(models.items(), key=lambda item: str(item[1]["alias"]))
            if node["config"]["materialized"] != "ephemeral"
        ),
        declarations=_read_declarations(nodes, input_ids),
    )


def _parse_source(key: str, node: Mapping[str, Any]) -> DbtInput:
    names = (
        f"{node['schema']}.{node['identifier']}",
        f"{node['source_name']}.{node['name']}",
        node["identifier"],
        node["name"],
    )
    meta = {
        **(node.get("source_meta") or {}),
        **(node.get("meta") or {}),
        **(node.get("config", {}).get("meta") or {}),
    }
    location = meta.get("external_location")
    return DbtInput(id=key, names=tuple(dict.fromkeys(names)), file=_parse_location(location, node), seed=False)


def _parse_location(location: object, node: Mapping[str, Any]) -> str | None:
    """Return the path in dbt-duckdb's ``external_location``; None if it is no plain path.

    >>> _parse_location("read_csv('data/{name}.csv', header = true)", {"name": "orders"})
    'data/orders.csv'
    """
    if not isinstance(location, str):
        return None
    if call := READER_CALL.fullmatch(location):
        location = call.group("path")
    if "(" in location:
        return None
    try:
        path = location.strip("'").format_map({**node, "name": node["name"]})
    except (KeyError, ValueError, IndexError):
        return None
    return path if not re.search(r"[*?\[]", path) else None


def _parse_seed(key: str, node: Mapping[str, Any]) -> DbtInput:
    return DbtInput(id=key, names=(node["alias"], node["name"]), file=node["original_file_path"], seed=True)


def _parse_model(node: Mapping[str, Any], tested: tuple[str, ...] | None) -> DbtModel:
    unique = node["config"].get("unique_key")
    columns = unique if isinstance(unique, list) else [unique] if unique else []
    key = tuple(columns) if columns and all(PLAIN_NAME.fullmatch(str(column)) for column in columns) else tested
    return DbtModel(name=node["alias"], key=key, columns=tuple(node.get("columns") or ()))


def _read_declarations(nodes: Mapping[str, Any], node_ids: set[str]) -> dict[str, DeclaredConstraints]:
    """Return the keys and references declared by the tests of some nodes."""
    keys: dict[str, tuple[str, ...]] = {}
    references: dict[str, dict[tuple[str, ...], tuple[str, tuple[str, ...]]]] = {}
    for node in nodes.values():
        if node["resource_type"] != "test" or not node.get("test_metadata"):
            continue
        attached = node.get("attached_node")
        if attached not in node_ids:
            continue
        for kind, columns, field_ in _parse_test(node):
            if kind == "key":
                keys.setdefault(attached, columns)
            else:
                others = [parent for parent in node["depends_on"]["nodes"] if parent != attached] or [attached]
                references.setdefault(attached, {})[columns] = (others[0], (field_,))
    return {
        key: DeclaredConstraints(key=keys.get(key), references=references.get(key, {}), evidence=TEST_ORIGIN)
        for key in {*keys, *references}
    }


def _parse_test(node: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield the key or reference asserted by a test on columns with plain names."""
    metadata = node["test_metadata"]
    arguments = {**metadata["kwargs"], **(metadata["kwargs"].get("arguments") or {})}
    column = str(arguments.get("column_name") or node.get("column_name") or "")
    if (node.get("config") or {}).get("where"):
        return
    match metadata["name"]:
        case "unique" if PLAIN_NAME.fullmatch(column):
            yield "key", (column,), ""
        case "unique_combination_of_columns":
            columns = tuple(map(str, arguments.get("combination_of_columns") or ()))
            if columns and all(PLAIN_NAME.fullmatch(name) for name in columns):
                yield "key", columns, ""
        case "relationships" if PLAIN_NAME.fullmatch(column) and PLAIN_NAME.fullmatch(str(arguments.get("field", ""))):
            yield "reference", (column,), str(arguments["field"])


def find_common_folder(files: list[str]) -> str | None:
    """Return the common folder of all files, or None.

    >>> find_common_folder(["seeds/a.csv", "seeds/b.csv"]), find_common_folder(["a/x.csv", "b/y.csv"])
    ('seeds', None)
    """
    folders = {PurePosixPath(file).parent.as_posix() for file in files}
    return folders.pop() if len(folders) == 1 else None
