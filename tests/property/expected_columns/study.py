"""Change queries of real dbt projects, and measure how well the lineage predicts the columns that change.

    python -m tests.property.expected_columns.study MUTATIONS PROJECT…

A project is a folder in which ``sandbox run`` has built a dbt project on DuckDB. The figures are in ``docs/dbt.md``.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
from sqlglot import parse_one

from sandbox.impact.expected_columns.dbt_models import read_dbt_models
from sandbox.manifest.run import RunRecord
from sandbox.store.paths import find_home_folder
from sandbox.store.seal_key import load_seal_key
from tests.property.expected_columns.mutated_project import SqlProject, try_mutation
from tests.sql_mutations import choose_mutation

MAX_ATTEMPTS = 20


def read_project(folder: Path) -> SqlProject:
    """Read the last run of a dbt project, and its sample."""
    run = max((folder / ".sandbox" / "runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    record = RunRecord.read(run, key=load_seal_key())
    sample = find_home_folder() / "samples" / record.sample / "tables"
    tables = {path.name: path for path in sample.iterdir() if path.is_dir()}
    columns = {name: _list_columns(path) for name, path in tables.items()}
    read: Any = SimpleNamespace(output_folder=run.parent / "output", record=record)
    graph = read_dbt_models(read, columns)
    assert graph is not None
    manifest = json.loads((read.output_folder / "_dbt" / "manifest.json").read_text("utf-8"))
    nodes = {
        key: node
        for key, node in {**manifest["nodes"], **manifest["sources"]}.items()
        if key in graph.models or key in graph.sources
    }
    places = {
        key: (str(node["database"]), str(node["schema"]), str(node.get("alias") or node["identifier"]))
        for key, node in nodes.items()
    }
    files = {}
    for key in graph.sources:
        node = nodes[key]
        names = [f"{node['schema']}.{node.get('identifier')}", node.get("identifier"), node["name"]]
        path = next(tables[name] for name in names if name in tables)
        files[key] = f"{path}/*.parquet"
    built = set(graph.sources)
    order: list[str] = []
    while len(built) < len(places):
        ready = sorted(
            key
            for key in graph.models
            if key not in built and {one for one in nodes[key]["depends_on"]["nodes"] if one in places} <= built
        )
        order += ready
        built |= set(ready)
    # Changed queries are rendered by sqlglot, whose other notation may let DuckDB add floating-point numbers in another order.
    models = {
        key: dataclasses.replace(model, sql=parse_one(model.sql, read="duckdb").sql("duckdb"))
        for key, model in graph.models.items()
        if model.sql is not None
    }
    graph = dataclasses.replace(graph, models=models, outputs={key: key for key in order})
    return SqlProject(graph=graph, places=places, tables=files, order=order)


def _list_columns(folder: Path) -> list[str]:
    with duckdb.connect() as connection:
        return [str(row[0]) for row in connection.execute(f"describe from '{folder}/*.parquet'").fetchall()]


def main() -> None:
    """Print the figures of each kind of change, and of all."""
    count, projects = int(sys.argv[1]), [read_project(Path(argument)) for argument in sys.argv[2:]]
    totals: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        builds = [project.run(Path(scratch) / f"before {number}") for number, project in enumerate(projects)]
        for seed in range(count):
            number = seed % len(projects)
            project, numbers = projects[number], random.Random(seed)
            for _ in range(MAX_ATTEMPTS):
                queries = {key: str(project.graph.models[key].sql) for key in project.order}
                key, kind, sql = choose_mutation(queries, numbers)
                shutil.rmtree(Path(scratch) / "after", ignore_errors=True)
                try:
                    result = try_mutation(
                        project, project.change_query(key, sql), builds[number], Path(scratch) / "after"
                    )
                except duckdb.Error:
                    continue
                break
            else:
                continue
            counts = {name: result.count(name) for name in ("changed", "unchanged", "unexpected", "unknown")}
            counts["unexpected rows"] = sum(columns.unexpected_rows for columns in result.expected.values())
            for name in (kind, "all"):
                totals.setdefault(name, Counter()).update(
                    {**counts, "changes": 1, "differ": result.differs, "columns": result.columns}
                )
            if counts["unexpected"] or counts["unexpected rows"]:
                sys.stderr.write(f"seed {seed}: {key}, {kind}: {counts}\n{sql}\n")
    for name, counts in sorted(totals.items(), key=lambda item: (item[0] == "all", item[0])):
        reached = counts["changed"] + counts["unchanged"]
        precision = counts["changed"] / reached if reached else 1
        sys.stdout.write(
            f"{name:<20} changes {counts['changes']:>4} ({counts['differ']} differ), columns {counts['columns']:>6}, "
            f"expected {reached:>5}, of these changed {precision:.0%}, unexpected {counts['unexpected']}, "
            f"unexpected rows {counts['unexpected rows']}, unknown {counts['unknown'] / counts['columns']:.1%}\n"
        )


if __name__ == "__main__":
    main()
