"""What dbt's manifest says of a project: its sources and seeds, their keys and references, its models and their keys. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sandbox.sources.table import Declared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = re.compile(r"\w+")
BY_TESTS = "by the project's own tests"


@dataclass(frozen=True, kw_only=True)
class Input:
    """A source's table or a seed, as the project's models read it.

    Attributes:
        id: dbt's unique id.
        names: What its table may be called in the sample, the most exact first.
        file: A seed's file, or where a source says that its one file lies; None where it says nothing.
        seed: Whether it is a seed.
    """

    id: str
    names: tuple[str, ...]
    file: str | None
    seed: bool


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model or snapshot that makes a table: its key, if the project names one, and the columns that it describes."""

    name: str
    key: tuple[str, ...] | None
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DbtProject:
    """A dbt project as far as a sample and a comparison need to know it."""

    name: str
    inputs: tuple[Input, ...]
    models: tuple[Model, ...]
    declared: Mapping[str, Declared] = field(default_factory=dict)

    @property
    def seeded(self) -> bool:
        """Whether its seeds are its source: it reads nothing else."""
        return all(one.seed for one in self.inputs)


def described(manifest: Mapping[str, Any]) -> DbtProject:
    """Read a manifest; of sources and seeds only those that something reads."""
    nodes = manifest["nodes"]
    made = {key: node for key, node in nodes.items() if node["resource_type"] in {"model", "snapshot"}}
    read = {one for node in made.values() for one in node["depends_on"]["nodes"]}
    sources = [_source(key, node) for key, node in manifest["sources"].items() if key in read]
    seeds = [
        _seed(key, node) for key, node in nodes.items() if node["resource_type"] == "seed" and key in read
    ]
    inputs = tuple(sources or seeds)
    keys = {key: one.key for key, one in _said(nodes, {*made, *(one.id for one in inputs)}).items()}
    return DbtProject(
        name=manifest["metadata"]["project_name"],
        inputs=inputs,
        models=tuple(
            _model(node, keys.get(key))
            for key, node in sorted(made.items(), key=lambda one: str(one[1]["alias"]))
            if node["config"]["materialized"] != "ephemeral"
        ),
        declared=_said(nodes, {one.id for one in inputs}),
    )


def _source(key: str, node: Mapping[str, Any]) -> Input:
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
    return Input(id=key, names=tuple(dict.fromkeys(names)), file=_located(location, node), seed=False)


def _located(location: object, node: Mapping[str, Any]) -> str | None:
    """Give the path of an ``external_location`` of dbt-duckdb; None where it is no plain path."""
    if not isinstance(location, str) or "(" in location:
        return None
    try:
        path = location.strip("'").format_map({**node, "name": node["name"]})
    except (KeyError, ValueError, IndexError):
        return None
    return path if not re.search(r"[*?\[]", path) else None


def _seed(key: str, node: Mapping[str, Any]) -> Input:
    return Input(id=key, names=(node["alias"], node["name"]), file=node["original_file_path"], seed=True)


def _model(node: Mapping[str, Any], tested: tuple[str, ...] | None) -> Model:
    unique = node["config"].get("unique_key")
    columns = unique if isinstance(unique, list) else [unique] if unique else []
    key = tuple(columns) if columns and all(NAME.fullmatch(str(one)) for one in columns) else tested
    return Model(name=node["alias"], key=key, columns=tuple(node.get("columns") or ()))


def _said(nodes: Mapping[str, Any], about: set[str]) -> dict[str, Declared]:
    """Give what the tests say of some nodes: keys and references."""
    keys: dict[str, tuple[str, ...]] = {}
    references: dict[str, dict[tuple[str, ...], tuple[str, tuple[str, ...]]]] = {}
    for node in nodes.values():
        if node["resource_type"] != "test" or not node.get("test_metadata"):
            continue
        attached = node.get("attached_node")
        if attached not in about:
            continue
        for kind, columns, field_ in _facts(node):
            if kind == "key":
                keys.setdefault(attached, columns)
            else:
                others = [one for one in node["depends_on"]["nodes"] if one != attached] or [attached]
                references.setdefault(attached, {})[columns] = (others[0], (field_,))
    return {
        key: Declared(key=keys.get(key), references=references.get(key, {}), how=BY_TESTS)
        for key in {*keys, *references}
    }


def _facts(node: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Give the key or the reference that a test is about, where its columns are plain names."""
    about = node["test_metadata"]
    given = {**about["kwargs"], **(about["kwargs"].get("arguments") or {})}
    column = str(given.get("column_name") or node.get("column_name") or "")
    if (node.get("config") or {}).get("where"):
        return
    match about["name"]:
        case "unique" if NAME.fullmatch(column):
            yield "key", (column,), ""
        case "unique_combination_of_columns":
            columns = tuple(map(str, given.get("combination_of_columns") or ()))
            if columns and all(NAME.fullmatch(one) for one in columns):
                yield "key", columns, ""
        case "relationships" if NAME.fullmatch(column) and NAME.fullmatch(str(given.get("field", ""))):
            yield "reference", (column,), str(given["field"])


def folder_of(files: list[str]) -> str | None:
    """Give the one folder that holds all of some files; None where there is none.

    >>> folder_of(["seeds/a.csv", "seeds/b.csv"]), folder_of(["a/x.csv", "b/y.csv"])
    ('seeds', None)
    """
    folders = {PurePosixPath(file).parent.as_posix() for file in files}
    return folders.pop() if len(folders) == 1 else None
