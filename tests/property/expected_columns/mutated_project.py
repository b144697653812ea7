"""Run a project of SQL models with one changed query in DuckDB, and compare what changed with the prediction."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from sandbox.compare import OutputRules, compare_tables
from sandbox.impact.expected_columns.prediction import ChangePredictor, compare_with_prediction
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.impact.expected_columns.model_graph import ModelGraph
    from sandbox.manifest.why.expected_columns import ExpectedColumns


@dataclass(frozen=True, kw_only=True)
class SqlProject:
    """A project of SQL models.

    Attributes:
        graph: Its models.
        places: Database, schema and identifier of each model and source, by id.
        tables: The Parquet files of each source, as a pattern, by id.
        order: The ids of the models, parents first.
        rules: The rules of outputs, by id.
    """

    graph: ModelGraph
    places: Mapping[str, tuple[str, str, str]]
    tables: Mapping[str, str]
    order: list[str]
    rules: Mapping[str, OutputRules] = dataclasses.field(default_factory=dict)

    def change_query(self, key: str, sql: str) -> SqlProject:
        """Return the project with another query of one model."""
        models = {**self.graph.models, key: dataclasses.replace(self.graph.models[key], sql=sql, text=sql)}
        return dataclasses.replace(self, graph=dataclasses.replace(self.graph, models=models))

    def run(self, folder: Path) -> dict[str, TableFiles]:
        """Build every model, and return their tables by id.

        Raises:
            duckdb.Error: A query fails.
        """
        folder.mkdir()
        built = {}
        with duckdb.connect(config={"threads": 1}) as connection:  # sums of several threads differ in the last digits
            for database in sorted({place[0] for place in self.places.values()}):
                connection.execute(f"attach ':memory:' as \"{database}\"")
                connection.execute(f'use "{database}"')
            for key, (database, schema, identifier) in self.places.items():
                connection.execute(f'create schema if not exists "{database}"."{schema}"')
                if key in self.tables:
                    query = f"select * from read_parquet('{self.tables[key]}')"
                    connection.execute(f'create view "{database}"."{schema}"."{identifier}" as {query}')
            for number, key in enumerate(self.order):
                relation = ".".join(f'"{part}"' for part in self.places[key])
                connection.execute(f"create table {relation} as {self.graph.models[key].sql}")
                path = folder / f"{number}.parquet"
                connection.execute(f"copy {relation} to '{path}'")
                built[key] = TableFiles(name=key, format="parquet", paths=(path,))
        return built


@dataclass(frozen=True, kw_only=True)
class MutationResult:
    """The predictions for all models of a project after a change of one; ``columns`` counts those of all models."""

    expected: Mapping[str, ExpectedColumns]
    columns: int
    differs: bool

    def count(self, kind: str) -> int:
        """Return the number of columns of a kind, such as ``unexpected``."""
        return sum(len(getattr(columns, kind)) for columns in self.expected.values())


def try_mutation(
    before: SqlProject, after: SqlProject, built: Mapping[str, TableFiles], folder: Path
) -> MutationResult:
    """Run a changed project, and compare its outputs with those before.

    Raises:
        duckdb.Error: The changed query fails.
    """
    changed = after.run(folder)
    outputs = compare_tables(
        dict(built), changed, rules=before.rules, units={}, identical=(), memory=10**9, threads=1, progress=SilentProgress(), details=False
    )  # fmt: skip
    predictor = ChangePredictor(before.graph, after.graph)
    expected, columns = {}, 0
    for key, output in outputs.items():
        names = _list_columns(built[key], changed[key])
        columns += len(names)
        expected[key] = compare_with_prediction(output, predictor.predict(key), names)
    differs = any(not output.is_same for output in outputs.values())
    return MutationResult(expected=expected, columns=columns, differs=differs)


def _list_columns(*sides: TableFiles) -> list[str]:
    with duckdb.connect() as connection:
        names = [
            str(row[0]) for side in sides for row in connection.execute(f"describe from '{side.paths[0]}'").fetchall()
        ]
    return list(dict.fromkeys(names))
