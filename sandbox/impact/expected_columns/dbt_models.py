"""Read the models of a dbt run: compiled SQL, and digests of all other facts of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from sandbox.dbt.programs.node_facts import NodeFacts
from sandbox.dbt.programs.node_facts import compute_digest as compute_fact
from sandbox.dbt.tests import has_document, read_build_record, read_document
from sandbox.engine.sql.column_digests import RelationDigest, compute_digest
from sandbox.impact.expected_columns.model_graph import Model, ModelGraph, index_names
from sandbox.runner.output_records import DBT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from sandbox.runner.run import Run

DOCUMENTS = ("manifest.json", "nodes.json", "code.json")
RELATION_KINDS = frozenset({"model", "snapshot", "seed"})
NO_HOOKS = compute_fact(None)


def read_dbt_models(run: Run, sample_columns: Mapping[str, Collection[str]]) -> ModelGraph | None:
    """Return the models of a dbt run; None if it left no record of them.

    Args:
        run: The run.
        sample_columns: The columns of each table of the sample.

    Raises:
        StoreError: A record is damaged.
        KeyError, TypeError, AttributeError: A record is not as dbt's runs leave it; the project's code may write to it.
    """
    record = read_build_record(run)
    if record is None or not all(has_document(run, name) for name in DOCUMENTS):
        return None
    manifest, nodes, codes = (read_document(run, name) for name in DOCUMENTS)
    facts = {key: NodeFacts.from_dict(entry) for key, entry in nodes.items()}
    relations = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in RELATION_KINDS and node["config"]["materialized"] != "ephemeral"
    }
    written = {other for entry in facts.values() for other in entry.linked}
    columns = {
        key: tuple(run.record.outputs[name].columns)
        for key, name in record.outputs.items()
        if name in run.record.outputs
    }
    seeds = {key: facts[key] for key, node in relations.items() if node["resource_type"] == "seed" and key in facts}
    return ModelGraph(
        models={
            key: _build_model(node, facts[key], codes.get(key), columns.get(key), is_written=key in written)
            for key, node in relations.items()
            if key in facts and key not in seeds
        },
        outputs=dict(zip(record.outputs.values(), record.outputs, strict=True)),
        sources={
            **{
                key: _digest_source(facts[key], _find_source_columns(node, sample_columns))
                for key, node in manifest["sources"].items()
                if key in facts
            },
            **{
                key: _digest_source(
                    seed,
                    _find_seed_columns(run.output_folder / DBT_FOLDER / f"{key}.parquet", seed.name, sample_columns),
                )
                for key, seed in seeds.items()
            },
        },
        names=index_names(
            [
                *(
                    (key, (str(node["database"]), str(node["schema"]), str(node["alias"])))
                    for key, node in relations.items()
                ),
                *(
                    (key, (str(node["database"]), str(node["schema"]), str(node["identifier"])))
                    for key, node in manifest["sources"].items()
                ),
            ]
        ),
        dialect="postgres" if manifest["metadata"].get("adapter_type") == "postgres" else "duckdb",
        state=compute_digest(sorted((key, sorted(entry.parts.items())) for key, entry in facts.items())),
    )


def _build_model(
    node: Mapping[str, Any], facts: NodeFacts, code: Any, columns: tuple[str, ...] | None, *, is_written: bool
) -> Model:
    compiled = code[1] if isinstance(code, list) and len(code) == 2 else None
    is_sql = node.get("language", "sql") == "sql"
    problem = facts.problem
    if problem is None and (facts.linked or is_written):
        problem = "hooks read or write it"
    if problem is None and is_sql and compiled is None:
        problem = "its SQL is not compiled"
    return Model(
        sql=compiled if is_sql else None,
        text=compute_digest(code),
        other=compute_digest(sorted((key, value) for key, value in facts.parts.items() if key != "code")),
        reads=facts.reads,
        columns=columns,
        is_whole=node["resource_type"] == "snapshot" or facts.parts.get("hooks", NO_HOOKS) != NO_HOOKS,
        problem=problem,
    )


def _digest_source(facts: NodeFacts, columns: Collection[str] | None) -> RelationDigest:
    decided = compute_digest("source", facts.name, sorted(facts.parts.items()))
    if columns is None:
        return RelationDigest(rows=decided, columns=None)
    names = [name.lower() for name in columns]
    return RelationDigest(rows=decided, columns={name: compute_digest(decided, name) for name in names})


def _find_source_columns(node: Mapping[str, Any], sample: Mapping[str, Collection[str]]) -> Collection[str] | None:
    lower = {name.lower(): columns for name, columns in sample.items()}
    names = (
        f"{node['schema']}.{node['identifier']}",
        f"{node['source_name']}.{node['name']}",
        str(node["identifier"]),
        str(node["name"]),
    )
    return next((lower[name.lower()] for name in names if name.lower() in lower), None)


def _find_seed_columns(path: Path, name: str, sample: Mapping[str, Collection[str]]) -> Collection[str] | None:
    """Return the columns of a seed: those of the rows kept by the run, else those of the sample's table."""
    if path.is_file() and not path.is_symlink():
        return list(pq.read_schema(path).names)
    return next((columns for table, columns in sample.items() if table.lower() == name.lower()), None)
