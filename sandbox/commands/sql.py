"""``sandbox sql``: a query on the project's sample, and on what the last run left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, find_engine_message, quote_identifier, quote_literal
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.errors import ConfigError, DataRuleError
from sandbox.model import RunOutcome, TableFiles
from sandbox.project.run_history import list_requested_runs
from sandbox.project.sample import ensure_sample
from sandbox.project.services import services
from sandbox.project.stack import open_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pydantic import JsonValue

    from sandbox.config import Project
    from sandbox.model import Progress, Sample

WEIGHTS_SCHEMA = "weights"
OUTPUT_SCHEMA = "output"
FLOAT_TYPES = frozenset({"FLOAT", "DOUBLE"})
NUMERIC_TYPES = FLOAT_TYPES | {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")} | {
    "INTEGER", "UINTEGER",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class QueryResult:
    """What a query gave.

    Attributes:
        columns: Their names and the engine's names of their types.
        rows: As the engine's text of each value; at most as many as were asked for.
        complete: False where there were more.
    """

    columns: dict[str, str]
    rows: list[tuple[str | None, ...]]
    complete: bool

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox sql --json``; what JSON has no form for is given as the engine's text."""
        kinds = list(self.columns.values())
        return {
            "format_version": 1,
            "columns": [{"name": name, "type": kind} for name, kind in self.columns.items()],
            "rows": [
                [_convert_to_json(kind, text) for kind, text in zip(kinds, row, strict=True)] for row in self.rows
            ],
            "complete": self.complete,
        }


def sql(project: Project, query: str, *, most: int | None, progress: Progress) -> QueryResult:
    """Query the sample: its tables by their names, ``weights.<unit>``, and ``output.<name>`` of the last run that succeeded.

    Args:
        project: The project; its sample is drawn if it is not drawn yet.
        query: One statement that gives rows.
        most: How many rows to give at most; None gives all.
        progress: Shows the drawing.

    Raises:
        RuleError: The query cannot be carried out.
    """
    found = ensure_sample(project, progress=progress).sample
    with Session(failure=DataRuleError, memory=project.settings.sample.memory) as session:
        for name, statement in _build_views(project, found):
            session.execute(statement, doing=name)
        try:
            columns, rows = session.run_user_query(query, most=None if most is None else most + 1)
        except DataRuleError as error:
            # The engine's further lines name what is close, and point at the place.
            rest = (find_engine_message(error) or "").strip().splitlines()[1:]
            raise DataRuleError(error.message, hint="\n".join(line for line in rest if line.strip())) from error
    complete = most is None or len(rows) <= most
    return QueryResult(columns=columns, rows=rows if complete else rows[:most], complete=complete)


def query_postgres(project: Project, query: str, *, name: str, most: int | None, progress: Progress) -> QueryResult:
    """Query the sample in the stack's Postgres, which is brought up if it is not there.

    Args:
        project: The project.
        query: One statement that gives rows.
        name: Which sandbox.
        most: How many rows to give at most; None gives all.
        progress: Shows what is brought up.

    Raises:
        ConfigError: The project has no Postgres.
        EngineError: It cannot be brought up.
        RuleError: The query cannot be carried out.
    """
    if not services.needs_postgres(project):
        raise ConfigError(f"{project.file} has no Postgres", hint='give it one: [stack]\nservices = ["postgres"]')
    stack = open_stack(project, frozen=False, progress=progress)
    services.check_container_engine(stack.runtime)
    from sandbox.engine.postgres_service.user_query import run_user_query  # noqa: PLC0415
    from sandbox.project.services import postgres  # noqa: PLC0415 - heavy, and most projects have no service

    found = ensure_sample(project, progress=progress).sample
    service = postgres.start_postgres(project, found, name=name, own=True, frozen=stack.frozen, progress=progress)
    columns, rows = run_user_query(service.server, query, most=None if most is None else most + 1)
    complete = most is None or len(rows) <= most
    return QueryResult(columns=columns, rows=rows if complete else rows[:most], complete=complete)


def _build_views(project: Project, found: Sample) -> Iterator[tuple[str, str]]:
    for name, table in found.tables.items():
        schema, _, bare = name.rpartition(".")
        if schema:
            yield name, f"create schema if not exists {quote_identifier(schema)}"
        place = f"{quote_identifier(schema)}.{quote_identifier(bare)}" if schema else quote_identifier(bare)
        yield name, f"create view {place} as select * from {build_table_function(table)}"
    yield WEIGHTS_SCHEMA, f"create schema {WEIGHTS_SCHEMA}"
    for path in sorted((found.path / "weights").glob("*.parquet")):
        yield (
            path.stem,
            f"create view {WEIGHTS_SCHEMA}.{quote_identifier(path.stem)} as select * from read_parquet({quote_literal(str(path))})",
        )
    yield OUTPUT_SCHEMA, f"create schema {OUTPUT_SCHEMA}"
    for number, (name, table) in enumerate(_list_outputs(project)):
        source = (
            build_table_function(table)
            if table.member is None
            else f"{quote_identifier(f'run {number}')}.{table.member}"
        )
        if table.member is not None:
            yield (
                name,
                f"attach {quote_literal(str(table.paths[0]))} as {quote_identifier(f'run {number}')} (read_only)",
            )
        yield name, f"create view {OUTPUT_SCHEMA}.{quote_identifier(name)} as select * from {source}"


def _list_outputs(project: Project) -> Iterator[tuple[str, TableFiles]]:
    """Give the outputs of the last run that succeeded."""
    runs = list_requested_runs(project.state_folder / "runs")
    folder, record = next((one for one in runs if one[1].ending is RunOutcome.SUCCEEDED), (None, None))
    if folder is None or record is None:
        return
    for name, output in record.outputs.items():
        paths = tuple(folder / "output" / file.path for file in output.files)
        yield name, TableFiles(name=name, format=output.format, paths=paths, member=output.member)


def _convert_to_json(kind: str, text: str | None) -> JsonValue:
    if text is None or kind not in NUMERIC_TYPES:
        return text == "true" if kind == "BOOLEAN" and text is not None else text
    number = float(text) if kind in FLOAT_TYPES else int(text)
    return number if math.isfinite(number) else text
