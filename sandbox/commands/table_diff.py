"""``sandbox diff TABLE TABLE``: compare two existing tables, without a project."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import compare
from sandbox.config.sections.outputs import OutputSection
from sandbox.errors import UsageError
from sandbox.impact.compare_outputs import ComparisonOptions, compare_tables
from sandbox.impact.document import build_table_document
from sandbox.report.files import DiffResult
from sandbox.report.redaction import redact_document
from sandbox.store.folder import choose_modes, write_file

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sandbox.compare import OutputRules
    from sandbox.compare.rows.row_files import RowFileOptions
    from sandbox.model import Progress, TableFiles


@dataclass(frozen=True, kw_only=True)
class TableDiffOptions:
    """Options for the comparison of two tables.

    Attributes:
        key: The key's columns; empty to use the rules' key or to search for one.
        rules: A file with an ``[output]`` table; None for no rules.
        report: The report's path; None for no report.
        rows: Where to write all differing rows; None writes none.
    """

    key: tuple[str, ...] = ()
    rules: Path | None = None
    report: Path | None = None
    rows: RowFileOptions | None = None


def diff_tables(
    baseline: str, candidate: str, terms: TableDiffOptions, *, values: bool = True, progress: Progress
) -> DiffResult:
    """Compare two existing tables, baseline first; only differences accepted by the rules pass.

    Raises:
        UsageError: Both the command line and the rules name a key.
        SandboxError: A table or the rules cannot be read, or the report cannot be written.
    """
    sources = compare.resolve_tables(baseline, candidate)
    name = sources[0].name
    section = _read_section(terms.rules)
    if section.csv is not None:
        csv = section.csv.model_dump(mode="json", exclude_unset=True)
        baseline_files, candidate_files = (
            dataclasses.replace(table, csv=csv) if table.format == "csv" else table for table in sources
        )
        sources = (baseline_files, candidate_files)
    if terms.key and section.key:
        raise UsageError(f"--key and the key in {terms.rules} exclude each other", hint="keep one of them")
    rules = compare.build_output_rules(section)
    if terms.key:
        rules = dataclasses.replace(rules, key=terms.key)
    options = ComparisonOptions(rules={name: rules})
    with _stage_rows(terms.rows) as staged:
        outputs = compare_tables(
            {name: sources[0]},
            {name: sources[1]},
            dataclasses.replace(options, row_files=staged),
            identical={name} if _are_identical(sources, rules) else (),
            progress=progress,
            origin="tables",
        )
        if staged:
            from sandbox.impact.row_files import write_index  # noqa: PLC0415 - slow to import

            write_index(staged, outputs)
    document = build_table_document(baseline, candidate, outputs, section.gate, report=terms.report)
    document = document if values else redact_document(document)
    if terms.report:
        from sandbox.report.html.page import render_html  # noqa: PLC0415 - jinja2 is slow to import

        write_file(terms.report, render_html(document), mode=choose_modes()[1])
    return DiffResult(document=document, folder=None)


def _stage_rows(rows: RowFileOptions | None) -> AbstractContextManager[RowFileOptions | None]:
    if rows is None:
        return contextlib.nullcontext()
    from sandbox.impact.row_files import stage_rows_folder  # noqa: PLC0415 - slow to import

    return stage_rows_folder(rows)


def _are_identical(sources: tuple[TableFiles, TableFiles], rules: OutputRules) -> bool:
    """Return whether both tables are the same, so that no row needs to be read."""
    try:
        return not rules.rename and compare.are_identical_tables(*sources)
    except OSError:  # who reads the file says what is wrong with it
        return False


def _read_section(rules: Path | None) -> OutputSection:
    if rules is None:
        return OutputSection()
    from sandbox.config.rules_file import read_rules  # noqa: PLC0415 - all settings are slow to import

    return read_rules(rules)
