"""``sandbox sql``: a query on the project's sample, and on what the last run left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engine.duckdb.session import Session, complaint, literal, quote
from sandbox.engine.duckdb.table_functions import relation
from sandbox.errors import ConfigError, RuleError
from sandbox.model import Ending, TableFiles
from sandbox.project.run_history import ordinary
from sandbox.project.sample import sample
from sandbox.project.services import services
from sandbox.project.stack import open_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pydantic import JsonValue

    from sandbox.config import Project
    from sandbox.model import Progress, Sample

WEIGHTS = "weights"
OUTPUT = "output"
FLOATS = frozenset({"FLOAT", "DOUBLE"})
NUMBERS = FLOATS | {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")} | {
    "INTEGER", "UINTEGER",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a query gave.

    Attributes:
        columns: Their names and the engine's names of their types.
        rows: As the engine's text of each value; at most as many as were asked for.
        complete: False where there were more.
    """

    columns: dict[str, str]
    rows: list[tuple[str | None, ...]]
    complete: bool

    def fields(self) -> dict[str, Any]:
        """Give the JSON of ``sandbox sql --json``; what JSON has no form for is given as the engine's text."""
        kinds = list(self.columns.values())
        return {
            "format_version": 1,
            "columns": [{"name": name, "type": kind} for name, kind in self.columns.items()],
            "rows": [[_json(kind, text) for kind, text in zip(kinds, row, strict=True)] for row in self.rows],
            "complete": self.complete,
        }


def sql(project: Project, query: str, *, most: int | None, progress: Progress) -> Answer:
    """Query the sample: its tables by their names, ``weights.<unit>``, and ``output.<name>`` of the last run that succeeded.

    Args:
        project: The project; its sample is drawn if it is not drawn yet.
        query: One statement that gives rows.
        most: How many rows to give at most; None gives all.
        progress: Shows the drawing.

    Raises:
        RuleError: The query cannot be carried out.
    """
    found = sample(project, progress=progress).sample
    with Session(failure=RuleError, memory=project.settings.sample.memory) as session:
        for name, statement in _views(project, found):
            session.execute(statement, doing=name)
        try:
            columns, rows = session.answer(query, most=None if most is None else most + 1)
        except RuleError as error:
            # The engine's further lines name what is close, and point at the place.
            rest = (complaint(error) or "").strip().splitlines()[1:]
            raise RuleError(error.message, hint="\n".join(line for line in rest if line.strip())) from error
    complete = most is None or len(rows) <= most
    return Answer(columns=columns, rows=rows if complete else rows[:most], complete=complete)


def postgres(project: Project, query: str, *, name: str, most: int | None, progress: Progress) -> Answer:
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
    if not services.wanted(project):
        raise ConfigError(
            f"{project.file} has no Postgres", hint='give it one: [stack]\nservices = ["postgres"]'
        )
    stack = open_stack(project, frozen=False, progress=progress)
    services.require_engine(stack.runtime)
    from sandbox.engine.postgres_service.user_query import answer  # noqa: PLC0415
    from sandbox.project.services import postgres  # noqa: PLC0415 - heavy, and most projects have no service

    found = sample(project, progress=progress).sample
    service = postgres.up(project, found, name=name, own=True, frozen=stack.frozen, progress=progress)
    columns, rows = answer(service.server, query, most=None if most is None else most + 1)
    complete = most is None or len(rows) <= most
    return Answer(columns=columns, rows=rows if complete else rows[:most], complete=complete)


def _views(project: Project, found: Sample) -> Iterator[tuple[str, str]]:
    for name, table in found.tables.items():
        schema, _, bare = name.rpartition(".")
        if schema:
            yield name, f"create schema if not exists {quote(schema)}"
        place = f"{quote(schema)}.{quote(bare)}" if schema else quote(bare)
        yield name, f"create view {place} as select * from {relation(table)}"
    yield WEIGHTS, f"create schema {WEIGHTS}"
    for path in sorted((found.path / "weights").glob("*.parquet")):
        yield (
            path.stem,
            f"create view {WEIGHTS}.{quote(path.stem)} as select * from read_parquet({literal(str(path))})",
        )
    yield OUTPUT, f"create schema {OUTPUT}"
    for number, (name, table) in enumerate(_outputs(project)):
        source = relation(table) if table.member is None else f"{quote(f'run {number}')}.{table.member}"
        if table.member is not None:
            yield name, f"attach {literal(str(table.paths[0]))} as {quote(f'run {number}')} (read_only)"
        yield name, f"create view {OUTPUT}.{quote(name)} as select * from {source}"


def _outputs(project: Project) -> Iterator[tuple[str, TableFiles]]:
    """Give the outputs of the last run that succeeded."""
    runs = ordinary(project.state / "runs")
    folder, record = next((one for one in runs if one[1].ending is Ending.SUCCEEDED), (None, None))
    if folder is None or record is None:
        return
    for name, output in record.outputs.items():
        paths = tuple(folder / "output" / file.path for file in output.files)
        yield name, TableFiles(name=name, format=output.format, paths=paths, member=output.member)


def _json(kind: str, text: str | None) -> JsonValue:
    if text is None or kind not in NUMBERS:
        return text == "true" if kind == "BOOLEAN" and text is not None else text
    number = float(text) if kind in FLOATS else int(text)
    return number if math.isfinite(number) else text
