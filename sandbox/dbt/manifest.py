"""What dbt's manifest says of a project: its sources and seeds, their keys and references, its models and their keys. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sandbox.sources.table import DeclaredConstraints

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLAIN_NAME = re.compile(r"\w+")
TEST_ORIGIN = "by the project's own tests"


@dataclass(frozen=True, kw_only=True)
class DbtInput:
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
class DbtModel:
    """A model or snapshot that makes a table: its key, if the project names one, and the columns that it describes."""

    name: str
    key: tuple[str, ...] | None
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DbtProject:
    """A dbt project as far as a sample and a comparison need to know it."""

    name: str
    inputs: tuple[DbtInput, ...]
    models: tuple[DbtModel, ...]
    declarations: Mapping[str, DeclaredConstraints] = field(default_factory=dict)

    @property
    def reads_only_seeds(self) -> bool:
        """Whether its seeds are its source: it reads nothing else."""
        return all(one.seed for one in self.inputs)


def parse_manifest(manifest: Mapping[str, Any]) -> DbtProject:
    """Read a manifest; of sources and seeds only those that something reads."""
    nodes = manifest["nodes"]
    made = {key: node for key, node in nodes.items() if node["resource_type"] in {"model", "snapshot"}}
    read = {one for node in made.values() for one in node["depends_on"]["nodes"]}
    sources = [_parse_source(key, node) for key, node in manifest["sources"].items() if key in read]
    seeds = [_parse_seed(key, node) for key, node in nodes.items() if node["resource_type"] == "seed" and key in read]
    inputs = tuple(sources or seeds)
    keys = {key: one.key for key, one in _read_declarations(nodes, {*made, *(one.id for one in inputs)}).items()}
    return DbtProject(
        name=manifest["metadata"]["project_name"],
        inputs=inputs,
        models=tuple(
            _parse_model(node, keys.get(key))
            for key, node in sorted(made.items(), key=lambda one: str(one[1]["alias"]))
            if node["config"]["materialized"] != "ephemeral"
        ),
        declarations=_read_declarations(nodes, {one.id for one in inputs}),
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
    """Give the path of an ``external_location`` of dbt-duckdb; None where it is no plain path."""
    if not isinstance(location, str) or "(" in location:
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
    key = tuple(columns) if columns and all(PLAIN_NAME.fullmatch(str(one)) for one in columns) else tested
    return DbtModel(name=node["alias"], key=key, columns=tuple(node.get("columns") or ()))


def _read_declarations(nodes: Mapping[str, Any], about: set[str]) -> dict[str, DeclaredConstraints]:
    """Give what the tests say of some nodes: keys and references."""
    keys: dict[str, tuple[str, ...]] = {}
    references: dict[str, dict[tuple[str, ...], tuple[str, tuple[str, ...]]]] = {}
    for node in nodes.values():
        if node["resource_type"] != "test" or not node.get("test_metadata"):
            continue
        attached = node.get("attached_node")
        if attached not in about:
            continue
        for kind, columns, field_ in _parse_test(node):
            if kind == "key":
                keys.setdefault(attached, columns)
            else:
                others = [one for one in node["depends_on"]["nodes"] if one != attached] or [attached]
                references.setdefault(attached, {})[columns] = (others[0], (field_,))
    return {
        key: DeclaredConstraints(key=keys.get(key), references=references.get(key, {}), evidence=TEST_ORIGIN)
        for key in {*keys, *references}
    }


def _parse_test(node: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Give the key or the reference that a test is about, where its columns are plain names."""
    about = node["test_metadata"]
    given = {**about["kwargs"], **(about["kwargs"].get("arguments") or {})}
    column = str(given.get("column_name") or node.get("column_name") or "")
    if (node.get("config") or {}).get("where"):
        return
    match about["name"]:
        case "unique" if PLAIN_NAME.fullmatch(column):
            yield "key", (column,), ""
        case "unique_combination_of_columns":
            columns = tuple(map(str, given.get("combination_of_columns") or ()))
            if columns and all(PLAIN_NAME.fullmatch(one) for one in columns):
                yield "key", columns, ""
        case "relationships" if PLAIN_NAME.fullmatch(column) and PLAIN_NAME.fullmatch(str(given.get("field", ""))):
            yield "reference", (column,), str(given["field"])


def find_common_folder(files: list[str]) -> str | None:
    """Give the one folder that holds all of some files; None where there is none.

    >>> find_common_folder(["seeds/a.csv", "seeds/b.csv"]), find_common_folder(["a/x.csv", "b/y.csv"])
    ('seeds', None)
    """
    folders = {PurePosixPath(file).parent.as_posix() for file in files}
    return folders.pop() if len(folders) == 1 else None
