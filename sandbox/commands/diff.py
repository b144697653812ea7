"""``sandbox diff``: run baseline and candidate on the sample, compare the outputs and write the report."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import compare
from sandbox.config.rules_file import read_rules
from sandbox.config.sections.outputs import OutputSection
from sandbox.errors import UsageError
from sandbox.impact.compare_outputs import ComparisonOptions, compare_tables
from sandbox.impact.diff import compare_versions
from sandbox.impact.document import build_table_document
from sandbox.impact.row_files import stage_rows_folder, write_index
from sandbox.report.files import DiffResult, write_document
from sandbox.report.html.page import render_html
from sandbox.report.redaction import redact_document
from sandbox.store.folder import choose_modes, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.compare.rows.row_files import RowFileOptions
    from sandbox.config import Project
    from sandbox.impact.options import DiffOptions, DiffVersions
    from sandbox.model import Progress


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


def diff(project: Project, versions: DiffVersions, options: DiffOptions, *, progress: Progress) -> DiffResult:
    """Compare two versions on the project's sample and write the report, preparing sample and stack if needed.

    Raises:
        SandboxError: A version could not be judged; there is no verdict then.
    """
    return write_document(
        project, compare_versions(project, versions, options, progress=progress), values=options.values
    )


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
    section = read_rules(terms.rules) if terms.rules else OutputSection()
    if terms.key and section.key:
        raise UsageError(f"--key and the key in {terms.rules} exclude each other", hint="keep one of them")
    rules = compare.build_output_rules(section)
    if terms.key:
        rules = dataclasses.replace(rules, key=terms.key)
    options = ComparisonOptions(rules={name: rules})
    with stage_rows_folder(terms.rows) if terms.rows else contextlib.nullcontext() as staged:
        outputs = compare_tables(
            {name: sources[0]},
            {name: sources[1]},
            dataclasses.replace(options, row_files=staged),
            progress=progress,
            origin="tables",
        )
        if staged:
            write_index(staged, outputs)
    document = build_table_document(baseline, candidate, outputs, section.gate, report=terms.report)
    document = document if values else redact_document(document)
    if terms.report:
        write_file(terms.report, render_html(document), mode=choose_modes()[1])
    return DiffResult(document=document, folder=None)
