"""Read the models of a pipeline of SQL files: ``orders.sql`` with one query makes ``orders``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from sandbox.engine.sql.column_digests import RelationDigest, compute_digest
from sandbox.impact.expected_columns.model_graph import MAX_SQL_CHARACTERS, Model, ModelGraph, index_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


def build_sql_models(
    texts: Mapping[str, str],
    outputs: Mapping[str, Collection[str]],
    sample_columns: Mapping[str, Collection[str]],
    dialect: str,
) -> ModelGraph | None:
    """Return the models of a version's SQL files; None if it has none.

    Args:
        texts: The version's text files.
        outputs: The columns of each output.
        sample_columns: The columns of each table of the sample.
        dialect: The dialect of the SQL, as sqlglot calls it.
    """
    queries: dict[str, list[str | None]] = {}
    for path, text in texts.items():
        if PurePosixPath(path).suffix.lower() == ".sql":
            for name, query in _list_queries(PurePosixPath(path).stem, text, dialect):
                queries.setdefault(name.lower(), []).append(query)
    if not queries:
        return None
    columns = {name.lower(): tuple(names) for name, names in outputs.items()}
    models = {name: _build_model(found, columns.get(name)) for name, found in sorted(queries.items())}
    sources = {
        name.lower(): RelationDigest(
            rows=compute_digest("table", name),
            columns={column.lower(): compute_digest("column", name, column) for column in names},
        )
        for name, names in sample_columns.items()
        if name.lower() not in models
    }
    places = [(name, tuple(name.split("."))) for name in sources]
    return ModelGraph(
        models=models,
        outputs={name: name.lower() for name in outputs if name.lower() in models},
        sources=sources,
        names=index_names([*((name, (name,)) for name in models), *places]),
        dialect=dialect,
        state=compute_digest(sorted(texts.items())),
    )


def _build_model(found: list[str | None], columns: tuple[str, ...] | None) -> Model:
    problem = (
        "several files make it" if len(found) > 1 else None if found[0] is not None else "its file is not one query"
    )
    return Model(sql=found[0] if problem is None else None, text=repr(found), columns=columns, problem=problem)


def _list_queries(stem: str, text: str, dialect: str) -> Iterator[tuple[str, str | None]]:
    """Yield the relations made by a file, each with its query; None for a file of something else."""
    if len(text) > MAX_SQL_CHARACTERS:
        yield stem, None
        return
    try:
        statements = [statement for statement in parse(text, read=dialect) if statement is not None]
    except (SqlglotError, RecursionError):
        yield stem, None
        return
    if len(statements) == 1 and isinstance(statements[0], exp.Query):
        yield stem, text
        return
    made = [
        (statement.this.name, statement.expression.sql(dialect))
        for statement in statements
        if isinstance(statement, exp.Create)
        and isinstance(statement.this, exp.Table)
        and isinstance(statement.expression, exp.Query)
    ]
    if made and len(made) == len(statements):
        yield from made
    else:
        yield stem, None
