"""Compares two generated tables with the product and with the oracle, and says where the two disagree."""

from __future__ import annotations

import contextlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from unittest import mock

from sandbox.compare import OutputRules, compare_tables, evaluate_gate, resolve_tables
from sandbox.compare.gate import GateEvidence
from sandbox.compare.rows import detail_sample, hash_prefilter
from sandbox.config.sections.outputs import GateSection
from sandbox.errors import SandboxError
from sandbox.model import SilentProgress
from sandbox.runner.output_records import list_output_tables
from sandbox.runner.outputs import collect_outputs
from tests.property.compare.oracle import Counts, canonicalize, compare_rows
from tests.property.compare.table_files import Side, describe_tables, write_side

if TYPE_CHECKING:
    from sandbox.compare import TableOrigin
    from sandbox.manifest.diff import OutputDiff, Verdict

Kind: TypeAlias = Literal[
    "false same",
    "false difference",
    "wrong counts",
    "wrong columns",
    "rounding counts",
    "wrong schema",
    "key repeats",
    "refused",
    "not refused",
    "crash",
]
SchemaChange: TypeAlias = Literal["same", "changed", "unknown"]
NAME = "t"


@dataclass(frozen=True)
class Case:
    """Two tables, and how they are compared.

    Attributes:
        key: The declared key; None where the product finds one, or none.
        origin: Whether the tables are outputs of runs, or named on the command line.
        prefilter: Whether equal rows are set aside first, as in large tables.
        details: Whether examples, profiles and segments are made.
        schema: Whether the columns' types differ; ``unknown`` where both is right.
        refusal: Whether the product may or must refuse these files.
        mutations: What was done to the candidate; for reports.
    """

    baseline: Side
    candidate: Side
    key: tuple[str, ...] | None
    origin: TableOrigin = "tables"
    prefilter: bool = False
    details: bool = False
    schema: SchemaChange = "same"
    refusal: Literal["no", "may", "must"] = "no"
    mutations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mismatch:
    """Where the product and the oracle disagree."""

    kind: Kind
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.kind}: found {self.found}; expected {self.expected}"


def check_case(case: Case) -> Mismatch | None:
    """Write both tables, compare them both ways, and return a disagreement, if there is one."""
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        try:
            output, verdict = _run_product(case, Path(folder))
        except SandboxError as error:
            if case.refusal != "no":
                return None
            return Mismatch("refused", _shorten(error.message, folder), "a verdict")
        except Exception as error:  # noqa: BLE001 -- whatever is raised is a finding
            return Mismatch("crash", f"{type(error).__name__}: {_shorten(str(error), folder)}", "a verdict")
    if case.refusal == "must":
        return Mismatch("not refused", verdict, "an error that names the file")
    return _judge_output(case, output, verdict)


def _shorten(message: str, folder: str) -> str:
    return re.sub(r"\s+", " ", message.replace(folder, ""))[:300]


def _run_product(case: Case, folder: Path) -> tuple[OutputDiff, Verdict]:
    sides = []
    for side, name in ((case.baseline, "baseline"), (case.candidate, "candidate")):
        place = folder / name
        place.mkdir()
        path = write_side(side, place, NAME)
        if case.origin == "project":
            sides.append(list_output_tables(place, collect_outputs(place, paths={}).outputs)[NAME])
        else:
            named = f"{path}:{NAME}" if side.format == "duckdb" else str(path)
            sides.append(resolve_tables(named, named)[0])
    with contextlib.ExitStack() as stack:
        if case.prefilter:
            stack.enter_context(mock.patch.object(detail_sample, "MAX_SAMPLE_ROWS", 1))
            stack.enter_context(mock.patch.object(hash_prefilter, "MAX_REMAINING_SHARE", 1.0))
        outputs = compare_tables(
            {NAME: sides[0]},
            {NAME: sides[1]},
            rules={NAME: OutputRules(key=case.key)},
            units={},
            identical=(),
            memory=2**28,
            threads=1,
            progress=SilentProgress(),
            origin=case.origin,
            details=case.details,
        )
    verdict, _ = evaluate_gate(GateEvidence(outputs=outputs), GateSection(), {})
    return outputs[NAME], verdict


def expect_counts(case: Case, key: tuple[str, ...]) -> Counts:
    """Return what the oracle says of a case."""
    return compare_rows(*describe_tables(case.baseline, case.candidate), key)


def _judge_output(case: Case, output: OutputDiff, verdict: Verdict) -> Mismatch | None:  # noqa: PLR0911 -- one a kind
    key = case.key if case.key is not None else tuple(output.key.columns)
    if case.key is None and key and (problem := _find_repeated_key(case, key)):
        return problem
    counts = expect_counts(case, key)
    rows = output.rows
    found = (rows.baseline, rows.candidate, rows.added, rows.removed, rows.changed, rows.unchanged)
    expected = (
        counts.baseline,
        counts.candidate,
        counts.added,
        counts.removed,
        counts.changed,
        counts.unchanged,
    )
    said = f"{verdict} {found}", f"{counts.verdict} {expected}"
    changed = case.schema == "changed" or not output.schema_.is_same
    if found != expected:
        if not rows.different:
            return Mismatch("false same", *said)
        return Mismatch("wrong counts" if counts.verdict != "same" else "false difference", *said)
    if case.schema != "unknown" and output.schema_.is_same != (case.schema == "same"):
        return Mismatch("wrong schema", output.schema_.model_dump_json(), case.schema)
    columns = {name: column.changed for name, column in output.columns.items() if column.changed}
    if key and columns != {name: count for name, count in counts.columns.items() if count}:
        return Mismatch("wrong columns", f"{columns}", f"{counts.columns}")
    rounding = rows.model_dump().get("rounding")
    wanted: Verdict = "outside_gate" if changed else counts.verdict
    # The columns of JSON stand in the order in which members first appear, and some are left out.
    reordered = case.baseline.names != case.candidate.names
    if wanted == "same" and (output.schema_.reordered if case.baseline.format == "jsonl" else reordered):
        wanted = "within_gate"
    if (counts.rounding and rounding != counts.rounding) or verdict != wanted:
        return Mismatch("rounding counts", f"{verdict}, {rounding}", f"{wanted}, {counts.rounding}")
    return None


def _find_repeated_key(case: Case, key: tuple[str, ...]) -> Mismatch | None:
    """Check a key that the product found: it has to be unique and whole on both sides."""
    for side in describe_tables(case.baseline, case.candidate):
        values = side.read_columns(key)
        if len({canonicalize(value) for value in values}) < len(values) or any(None in value for value in values):
            return Mismatch("key repeats", f"{key}", "a unique key without NULL")
    return None
