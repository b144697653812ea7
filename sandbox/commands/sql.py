"""``sandbox sql``: query the project's sample and the outputs of its last run."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.commands.diff_views import create_diff_views, find_diff_tables, names_diff
from sandbox.engine.duckdb.session import Session, find_engine_error, quote_identifier
from sandbox.engine.duckdb.table_functions import build_parquet_reader, build_table_function
from sandbox.error_text import is_harmless
from sandbox.errors import ConfigError, DataRuleError, StoreError, UsageError
from sandbox.model import RunOutcome
from sandbox.project.run_history import list_requested_runs
from sandbox.project.sample import ensure_sample
from sandbox.project.services import services
from sandbox.project.stack import open_stack
from sandbox.runner.output_records import list_output_tables
from sandbox.tables.table_opening import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pydantic import JsonValue

    from sandbox.config import Project
    from sandbox.model import Progress, Sample, TableFiles

WEIGHTS_SCHEMA = "weights"
OUTPUT_SCHEMA = "output"
TABLES_QUERY = """
select case when schema_name = 'main' then '' else schema_name || '.' end || view_name as name, column_count as columns
from duckdb_views() where not internal order by schema_name <> 'main', schema_name, view_name
"""
_SHOW_TABLES = re.compile(r"\s*show\s+tables\s*;?\s*", re.IGNORECASE)
FLOAT_TYPES = frozenset({"FLOAT", "DOUBLE"})
NUMERIC_TYPES = FLOAT_TYPES | {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")} | {
    "INTEGER", "UINTEGER",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class QueryResult:
    """Rows of a query.

    Attributes:
        columns: Column -> the query engine's name of its type.
        rows: Values as the query engine's text; at most the requested number.
        complete: False if there were more.
    """

    columns: dict[str, str]
    rows: list[tuple[str | None, ...]]
    complete: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox sql --json``; values without a JSON form are the query engine's text."""
        kinds = list(self.columns.values())
        return {
            "format_version": 1,
            "columns": [{"name": name, "type": kind} for name, kind in self.columns.items()],
            "rows": [
                [_convert_to_json(kind, text) for kind, text in zip(kinds, row, strict=True)] for row in self.rows
            ],
            "complete": self.complete,
        }


def sql(
    project: Project, query: str, *, most: int | None, which_diff: str | None = None, progress: Progress
) -> QueryResult:
    """Query the sample: its tables, ``weights.<unit>``, and ``output.<name>`` of the last successful run.

    ``baseline.<name>`` and ``candidate.<name>`` are the outputs of both sides of a diff, ``diff.<name>_added``,
    ``_removed`` and ``_changed`` the rows that differ. The sample is drawn if needed.

    Args:
        project: The project.
        query: One statement; ``show tables`` lists the tables of all schemas.
        most: The largest number of rows returned; None returns all.
        which_diff: The beginning of a diff's id; None is the last one.
        progress: Shows the steps.

    Raises:
        DataRuleError: The query fails.
        UsageError, StoreError: The requested diff has no rows to show.
    """
    drawn = ensure_sample(project, progress=progress)
    sample = drawn.sample
    tables, unavailable = None, None
    try:
        tables = find_diff_tables(project, drawn.manifest, query, which=which_diff, progress=progress)
    except (StoreError, UsageError) as error:
        if which_diff is not None:
            raise
        unavailable = error  # a table of the sample may be called `diff` as well
    with Session(failure=DataRuleError, memory=project.settings.sample.memory) as session:
        for name, statement in _build_views(session, project, sample):
            session.execute(statement, doing=name)
        if tables is not None:
            create_diff_views(session, tables)
        text = TABLES_QUERY if _SHOW_TABLES.fullmatch(query) else query
        try:
            columns, rows = session.run_user_query(text, most=None if most is None else most + 1)
        except DataRuleError as error:
            if unavailable is not None and names_diff(query):
                raise unavailable from error
            raise DataRuleError(error.message, hint=_find_engine_hint(error)) from error
    complete = most is None or len(rows) <= most
    return QueryResult(columns=columns, rows=rows if complete else rows[:most], complete=complete)


def _find_engine_hint(error: DataRuleError) -> str:
    """Return the engine's further lines, which name what is close and point at the place in the query."""
    cause = find_engine_error(error)
    if cause is None or not is_harmless(cause):
        return ""
    return "\n".join(line for line in str(cause).strip().splitlines()[1:] if line.strip())


def query_postgres(project: Project, query: str, *, name: str, most: int | None, progress: Progress) -> QueryResult:
    """Query the sample in the stack's Postgres, starting it if needed (see `sql`).

    Raises:
        ConfigError: The project has no Postgres.
        ContainerEngineError: It cannot be started.
        DataRuleError: The query fails.
    """
    if not services.needs_postgres(project):
        raise ConfigError(f"{project.file} has no Postgres", hint='give it one: [stack]\nservices = ["postgres"]')
    stack = open_stack(project, frozen=False, progress=progress)
    services.check_container_engine(stack.runtime)
    from sandbox.engine.postgres_service.user_query import run_user_query  # noqa: PLC0415
    from sandbox.project.services import postgres  # noqa: PLC0415 - slow to import, and most projects have no service

    sample = ensure_sample(project, progress=progress).sample
    service = postgres.start_postgres(
        project, sample, name=name, belongs_to_sandbox=True, frozen=stack.frozen, progress=progress
    )
    columns, rows = run_user_query(service.server, query, most=None if most is None else most + 1)
    complete = most is None or len(rows) <= most
    return QueryResult(columns=columns, rows=rows if complete else rows[:most], complete=complete)


def _build_views(session: Session, project: Project, sample: Sample) -> Iterator[tuple[str, str]]:
    for name, table in sample.tables.items():
        schema, _, bare = name.rpartition(".")
        if schema:
            yield name, f"create schema if not exists {quote_identifier(schema)}"
        view = f"{quote_identifier(schema)}.{quote_identifier(bare)}" if schema else quote_identifier(bare)
        yield name, f"create view {view} as select * from {build_table_function(table)}"
    yield WEIGHTS_SCHEMA, f"create schema {WEIGHTS_SCHEMA}"
    for path in sorted((sample.path / "weights").glob("*.parquet")):
        yield (
            path.stem,
            f"create view {WEIGHTS_SCHEMA}.{quote_identifier(path.stem)} as select * from {build_parquet_reader([path])}",
        )
    yield OUTPUT_SCHEMA, f"create schema {OUTPUT_SCHEMA}"
    for name, table in _list_outputs(project):
        source = open_table(session, table, f"output {name}", doing=name)
        yield name, f"create view {OUTPUT_SCHEMA}.{quote_identifier(name)} as select * from {source}"


def _list_outputs(project: Project) -> Iterator[tuple[str, TableFiles]]:
    """Yield the outputs of the last successful run."""
    runs = list_requested_runs(project.state_folder / "runs")
    folder, record = next((entry for entry in runs if entry[1].ending is RunOutcome.SUCCEEDED), (None, None))
    if folder is None or record is None:
        return
    yield from list_output_tables(folder / "output", record.outputs).items()


def _convert_to_json(kind: str, text: str | None) -> JsonValue:
    if text is None or kind not in NUMERIC_TYPES:
        return text == "true" if kind == "BOOLEAN" and text is not None else text
    number = float(text) if kind in FLOAT_TYPES else int(text)
    return number if math.isfinite(number) else text
