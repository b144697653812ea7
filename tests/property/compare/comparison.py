"""Compares two generated tables with the product and with the oracle, and says where the two disagree."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from unittest import mock

from sandbox.compare import OutputRules, compare_tables, evaluate_gate
from sandbox.compare.gate import GateEvidence
from sandbox.compare.reading.table_arguments import resolve_table
from sandbox.compare.rows import detail_sample, hash_prefilter
from sandbox.config.sections.outputs import GateSection
from sandbox.errors import PipelineError, SandboxError
from sandbox.model import SilentProgress
from sandbox.runner.output_records import list_output_tables
from sandbox.runner.outputs import collect_outputs
from sandbox.tables.file_formats import is_database
from tests.property.compare.oracle import Counts, canonicalize, compare_rows
from tests.property.compare.table_files import JSON_FORMATS, Side, describe_tables, write_sides

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.compare import TableOrigin
    from sandbox.manifest.diff import OutputDiff, Verdict
    from sandbox.model import TableFiles

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
SIDES = ("baseline", "candidate")
VERDICTS: tuple[Verdict, ...] = ("same", "within_gate", "outside_gate")


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


@dataclass(frozen=True)
class Judgement:
    """What became of a case; ``refused``: the product said that it cannot compare these files, as it may."""

    mismatch: Mismatch | None = None
    refused: bool = False


def check_case(case: Case) -> Mismatch | None:
    """Write both tables, compare them both ways, and return a disagreement, if there is one."""
    return judge_cases([case])[0].mismatch


def judge_cases(cases: Sequence[Case]) -> list[Judgement]:
    """Judge cases, those that are compared in the same way in one call of the product, because its start takes longest."""
    judged: dict[int, Judgement] = {}
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, case in enumerate(cases):
        alone = number if case.refusal != "no" else None
        groups[case.origin, case.prefilter, case.details, alone].append(number)
    for numbers in groups.values():
        some = [cases[number] for number in numbers]
        try:
            judgements = [
                Judgement(mismatch=_judge_output(case, output, verdict))
                for case, (output, verdict) in zip(some, _run_product(some), strict=True)
            ]
        except Exception:  # noqa: BLE001 -- whichever case it is of
            judgements = [_judge_alone(case) for case in some]
        judged |= dict(zip(numbers, judgements, strict=True))
    return [judged[number] for number in range(len(cases))]


def _judge_alone(case: Case) -> Judgement:
    try:
        [(output, verdict)] = _run_product([case])
    except SandboxError as error:
        if case.refusal != "no":
            return Judgement(refused=True)
        return Judgement(mismatch=Mismatch("refused", _shorten(error.message), "a verdict"))
    except Exception as error:  # noqa: BLE001 -- whatever is raised is a finding
        return Judgement(mismatch=Mismatch("crash", f"{type(error).__name__}: {_shorten(str(error))}", "a verdict"))
    return Judgement(mismatch=_judge_output(case, output, verdict))


def _shorten(message: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\S*/oracle-[^/]+", "", message))[:300]


def _run_product(cases: Sequence[Case]) -> list[tuple[OutputDiff, Verdict]]:
    """Return the comparison and the verdict of each case; all are compared alike."""
    first = cases[0]
    names = [f"{NAME}{number}" for number in range(len(cases))]
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder, contextlib.ExitStack() as stack:
        sides = [
            _list_tables({name: getattr(case, side) for name, case in zip(names, cases, strict=True)}, first, path)
            for side in SIDES
            for path in [Path(folder) / side]
        ]
        if first.prefilter:
            stack.enter_context(mock.patch.object(detail_sample, "MAX_SAMPLE_ROWS", 1))
            stack.enter_context(mock.patch.object(hash_prefilter, "MAX_REMAINING_SHARE", 1.0))
        outputs = compare_tables(
            sides[0],
            sides[1],
            rules={name: OutputRules(key=case.key) for name, case in zip(names, cases, strict=True)},
            units={},
            identical=(),
            memory=2**29,
            threads=1,
            progress=SilentProgress(),
            origin=first.origin,
            details=first.details,
        )
    verdicts = [evaluate_gate(GateEvidence(outputs={name: outputs[name]}), GateSection(), {})[0] for name in names]
    # Together they may not say less than one by one.
    together, _ = evaluate_gate(GateEvidence(outputs=outputs), GateSection(), {})
    assert together == max(verdicts, key=VERDICTS.index)
    return [(outputs[name], verdict) for name, verdict in zip(names, verdicts, strict=True)]


def _list_tables(sides: Mapping[str, Side], case: Case, folder: Path) -> dict[str, TableFiles]:
    """Write one side of each case, and return the product's tables of it."""
    folder.mkdir()
    paths = write_sides(sides, folder)
    if case.origin == "project":
        tables = list_output_tables(folder, collect_outputs(folder, paths={}).outputs)
        if unread := sides.keys() - tables.keys():
            raise PipelineError(f"{', '.join(sorted(unread))} cannot be read, and is compared as files")
        return tables
    named = {name: f"{path}:{name}" if is_database(path.name) else str(path) for name, path in paths.items()}
    return {name: resolve_table(path) for name, path in named.items()}


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
    if wanted == "same" and (output.schema_.reordered if case.baseline.format in JSON_FORMATS else reordered):
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
