"""Write a witness as files for people: its input tables, the rows of both versions, and a test."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.engine.duckdb.table_functions import build_table_function
from sandbox.errors import PipelineError, UsageError
from sandbox.report.templates import render_template
from sandbox.tables.table_opening import open_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.impact.witness.trials import Trial
    from sandbox.model import TableFiles

WITNESS_FILE = "witness.json"
TEST_TEMPLATE = "witness_test.py"
READABLE_FORMATS = ("parquet", "csv", "jsonl", "json")
ExpectedSide = Literal["baseline", "candidate"]


@dataclass(frozen=True, kw_only=True)
class WitnessTest:
    """What the test of a witness runs.

    Attributes:
        command: The pipeline's command.
        variables: Its environment variables, with ``{sample}`` and ``{output}`` for the folders.
        expect: The side whose rows the test expects.
        versions: How the baseline and the candidate are called.
    """

    command: str
    variables: Mapping[str, str]
    expect: ExpectedSide
    versions: tuple[str, str]


def check_target(folder: Path) -> None:
    """Check that a folder may hold the witness: absent, empty, or an earlier witness.

    Raises:
        UsageError: It holds other files.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / WITNESS_FILE).is_file() or not any(folder.iterdir()))):
        raise UsageError(f"--to: {folder} holds other files", hint="name a folder that is empty or does not exist yet")


def count_input_rows(trial: Trial) -> dict[str, int]:
    """Count the rows of each input table."""
    with Session(failure=PipelineError) as session:
        return {
            name: int(session.fetch_rows(f"select count(*) from {build_table_function(table)}")[0][0])
            for name, table in trial.sample.tables.items()
        }


def write_inputs(trial: Trial, folder: Path) -> None:
    """Write the input tables, as ``inputs/<table>.csv`` for people and as ``sample/`` for runs."""
    inputs = folder / "inputs"
    inputs.mkdir()
    shutil.copytree(trial.sample.path / "tables", folder / "sample")
    with Session(failure=PipelineError) as session:
        for name, table in trial.sample.tables.items():
            _write_csv(session, f"select * from {build_table_function(table)}", inputs / f"{name}.csv")


def write_expected_rows(trial: Trial, folder: Path) -> None:
    """Write the rows of both versions, as text in the order of their columns: ``expected/<side>.csv``."""
    expected = folder / "expected"
    expected.mkdir()
    with Session(failure=PipelineError) as session:
        for side, table in zip(("baseline", "candidate"), trial.tables, strict=True):
            if table is not None:
                source = open_table(session, table, side, doing=f"reading the {side}'s output")
                query = f"select columns(*)::varchar from {source} order by all"
                _write_csv(session, query, expected / f"{side}.csv")


def write_test(trial: Trial, name: str, test: WitnessTest, folder: Path) -> str:
    """Write a test with pytest that runs the pipeline on the witness, and return its file name."""
    table = trial.tables[0 if test.expect == "baseline" else 1]
    assert table is not None
    file = f"test_{re.sub(r'[^A-Za-z0-9_]+', '_', name)}.py"
    text = render_template(
        TEST_TEMPLATE,
        finish=lambda value: value,
        values={
            "output": repr(name),
            "function": file.removesuffix(".py"),
            "command": repr(test.command),
            "variables": repr(dict(test.variables)),
            "expect": test.expect,
            "baseline": test.versions[0],
            "candidate": test.versions[1],
            "reader": repr(_build_reader(table)),
        },
    )
    (folder / file).write_text(text, "utf-8")
    return file


def explain_missing_test(trial: Trial, inputs: list[str], expect: ExpectedSide, *, is_dbt: bool) -> str | None:
    """Return why no test can be written; None if one can."""
    table = trial.tables[0 if expect == "baseline" else 1]
    if is_dbt:
        return "a dbt project is run by dbt's own tests"
    if inputs != ["parquet"]:
        return f"the pipeline reads its inputs from {' and '.join(inputs)}, which a test alone does not provide"
    if table is None:
        return f"the {expect} has no such output"
    if table.format not in READABLE_FORMATS or table.folder is not None:
        return f"its format is {table.format}"
    return None


def _build_reader(table: TableFiles) -> str:
    """Build the SQL that reads an output again; ``{output}`` stands for the folder."""
    files = [PurePosixPath(path.as_posix().partition("/output/")[2]) for path in table.paths]
    pattern = files[0] if len(files) == 1 else files[0].parent / f"*{''.join(files[0].suffixes)}"
    function = {"parquet": "read_parquet", "csv": "read_csv"}.get(table.format, "read_json")
    return f"{function}('{{output}}/{str(pattern).replace(chr(39), chr(39) * 2)}')"


def _write_csv(session: Session, query: str, path: Path) -> None:
    session.execute(
        f"copy ({query}) to {quote_literal(str(path))} (format csv, header, nullstr 'NULL')",
        doing=f"writing {path.name}",
    )
