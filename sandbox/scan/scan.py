"""Scan a source for data problems; only an unreadable source stops the scan."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.config.toml_quoting import quote_key
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.errors import SandboxError
from sandbox.manifest.scan import Finding, ScanDocument, ScannedTable, sort_by_severity
from sandbox.masking.rules import propagate_masks
from sandbox.scan import keys_and_references
from sandbox.scan.files import build_undecodable_finding, open_readable_files
from sandbox.sources.checks import column_checks
from sandbox.sources.checks.csv_notation import find_notation_hints
from sandbox.sources.checks.personal_columns import find_personal_columns, list_hidden_columns
from sandbox.sources.discover import list_configured_source
from sandbox.sources.listing import suggest_name
from sandbox.sources.projection import project_table
from sandbox.sources.registry import get_adapter

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from sandbox.config.sections.sample import RangeEntry, TableSection
    from sandbox.config.settings import Project, Settings
    from sandbox.model import Progress
    from sandbox.sources.checks.column_checks import ColumnQuestion
    from sandbox.sources.listing import SourceListing
    from sandbox.sources.table import SourceTable

COLUMNS_PER_PASS = 100  # columns per query


def scan_source(project: Project, *, now: dt.datetime, threads: int | None = None, progress: Progress) -> ScanDocument:
    """Scan the tables in a project's settings.

    Args:
        project: The project; only its source, its tables and the memory of ``[sample]`` matter.
        now: Time of the scan, in UTC.
        threads: Worker threads; None for all available processors.
        progress: Shows the steps.

    Raises:
        SourceError: The source itself cannot be read.
    """
    settings = project.settings
    listing = list_configured_source(settings.source, base=project.root)
    with contextlib.closing(listing), Session(memory=settings.sample.memory, threads=threads) as session:
        scan = _SourceScan(session=session, settings=settings, listing=listing, now=now)
        total = sum(file.bytes for name in settings.tables if name in listing.files for file in listing.files[name][1])
        with progress.step("scanning the source", total=total, unit="bytes") as advance:
            for name in settings.tables:
                scan.scan_table(name)
                advance(sum(file.bytes for file in listing.files[name][1]) if name in listing.files else 0)
        references = [(name, entry) for name, table in settings.tables.items() for entry in table.all_references]
        with progress.step("checking the references", total=len(references), unit="references") as advance:
            for name, reference in references:
                scan.scan_reference(name, reference)
                advance(1)
    named = set(settings.tables)
    return ScanDocument(
        scanned=now.isoformat(timespec="seconds"),
        tables=scan.tables,
        findings=sort_by_severity(scan.findings),
        not_scanned=sorted({*listing.files, *listing.problems} - named),
        left_out=dict(listing.left_out),
    )


@dataclass(kw_only=True)
class _SourceScan:
    """State of a scan.

    Attributes:
        readable_tables: The opened tables.
        relations: Readable table -> SQL for the FROM clause.
        unreadable_columns: Readable table -> its unreadable columns.
        hidden_columns: (table, column) of columns whose values must not be shown.
    """

    session: Session
    settings: Settings
    listing: SourceListing
    now: dt.datetime
    tables: dict[str, ScannedTable] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    readable_tables: dict[str, SourceTable] = field(default_factory=dict)
    relations: dict[str, str] = field(default_factory=dict)
    unreadable_columns: dict[str, set[str]] = field(default_factory=dict)
    hidden_columns: set[tuple[str, str]] = field(default_factory=set)

    def scan_table(self, name: str) -> None:
        """Scan a table without its references."""
        section = self.settings.tables[name]
        if name not in self.listing.files:
            self._report_missing_table(name)
            return
        opened = open_readable_files(self.session, self.listing, name, section)
        self.findings += opened.findings
        table = opened.table
        files = table.files if table is not None and table.snapshot else self.listing.files[name][1]
        self.tables[name] = ScannedTable(
            files=len(files),
            bytes=sum(file.bytes for file in files),
            rows=None if table is None else table.rows,
            columns=None if table is None else len(table.columns),
        )
        if table is None:
            return
        self.readable_tables[name], self.unreadable_columns[name] = table, set()
        self._find_missing_columns(table, section)
        self._mark_hidden_columns(table)
        try:
            self.relations[name] = quote_identifier(project_table(self.session, table, table.columns))
        except SandboxError as error:
            self._report_unreadable(name, error)
            return
        self._scan_columns(table, section)
        self._collect_findings(name, lambda: self._find_notations(table))
        self._scan_key(table, section)

    def _find_notations(self, table: SourceTable) -> list[Finding]:
        """Return the columns of CSV that would be numbers or dates with a setting."""
        return [
            Finding(
                kind="notation",
                severity="note",
                table=table.name,
                columns=[hint.column],
                message=f"{table.name}.{hint.reason}, and is text without csv = {hint.toml} in [tables.{quote_key(table.name)}]",
            )
            for hint in find_notation_hints(self.session, table)
        ]

    def scan_reference(self, name: str, reference: Any) -> None:
        """Scan a reference if both tables are readable."""
        target = reference.table
        if name not in self.relations or target not in self.relations:
            return
        used = [(name, [*reference.columns, *dict(reference.when)]), (target, reference.key)]
        if any(not self._can_use(table, columns) for table, columns in used):
            return
        self._collect_findings(
            name,
            lambda: keys_and_references.find_dangling_references(
                self.session,
                self.readable_tables,
                name,
                reference,
                self.relations,
                hidden=self._is_hidden(name, reference.columns),
            ),
        )

    def _report_missing_table(self, name: str) -> None:
        if name in self.listing.problems:
            finding = Finding(kind="unreadable", severity="error", table=name, message=self.listing.problems[name])
        else:
            hint = suggest_name(name, [*self.listing.files, *self.listing.problems], "tables there")
            message = f"the source has no table {name}; {hint}"
            finding = Finding(kind="missing_table", severity="error", table=name, message=message)
        self.findings.append(finding)

    def _find_missing_columns(self, table: SourceTable, section: TableSection) -> None:
        """Report columns in the settings that the table lacks."""
        named = {
            "key": section.key or [],
            "references": [column for reference in section.all_references for column in reference.columns],
            "ranges": section.ranges,
            "mask": section.mask,
        }
        for where, columns in named.items():
            for column in dict.fromkeys(columns):
                if column not in table.columns:
                    message = f"{table.name} has no column {column}, which its {where} in sandbox.toml names"
                    self.findings.append(
                        Finding(
                            kind="missing_column",
                            severity="error",
                            table=table.name,
                            columns=[column],
                            message=message,
                        )
                    )

    def _mark_hidden_columns(self, table: SourceTable) -> None:
        """Mark masked and seemingly personal columns as hidden."""
        ruled, _ = propagate_masks(self.settings)
        masks = {table.name: {column: mask for (name, column), mask in ruled.items() if name == table.name}}
        try:
            found = find_personal_columns(self.session, self.settings, {table.name: table}, masks)
        except SandboxError:  # unreadable columns cannot be classified
            found = ()
            self.hidden_columns |= {(table.name, column) for column in table.columns if column not in masks[table.name]}
        hidden = list_hidden_columns(masks, found)
        self.hidden_columns |= {(table.name, column) for column in hidden[table.name]}

    def _scan_columns(self, table: SourceTable, section: TableSection) -> None:
        keys = {*(section.key or ()), *(column for reference in section.all_references for column in reference.columns)}
        pointed = [reference for other in self.settings.tables.values() for reference in other.all_references]
        keys |= {column for reference in pointed if reference.table == table.name for column in reference.key}
        questions = [
            column_checks.build_question(
                name, kind, key=name in keys, limits=self._resolve_range(table, name, section), now=self.now
            )
            for name, kind in table.columns.items()
        ]
        for start in range(0, len(questions), COLUMNS_PER_PASS):
            self._query_columns(table, questions[start : start + COLUMNS_PER_PASS])

    def _resolve_range(self, table: SourceTable, column: str, section: TableSection) -> RangeEntry | None:
        limits = section.ranges.get(column)
        if limits is None:
            return None
        wrong = column_checks.find_range_mismatch(table.name, column, table.columns[column], limits)
        self.findings += wrong
        return None if wrong else limits

    def _query_columns(self, table: SourceTable, questions: Sequence[ColumnQuestion]) -> None:
        """Query columns in one pass; if that fails, query again without the unreadable ones."""
        try:
            self._evaluate_questions(table, questions)
        except SandboxError as error:
            if len(questions) == 1:
                self.unreadable_columns[table.name].add(questions[0].name)
                self._report_unreadable(f"{table.name}.{questions[0].name}", error, table=table.name)
                return
        else:
            return
        broken = get_adapter(table).count_undecodable_values(table)
        names = {question.name for question in questions}
        for column, count in broken.items():
            if column in names:
                self.unreadable_columns[table.name].add(column)
                self.findings.append(build_undecodable_finding(table.name, column, count, table.rows))
        readable = [question for question in questions if question.name not in broken]
        if len(readable) < len(questions):
            self._query_columns(table, readable)
            return
        for question in readable:
            self._query_columns(table, [question])

    def _evaluate_questions(self, table: SourceTable, questions: Sequence[ColumnQuestion]) -> None:
        if not questions:
            return
        sql = f"select {column_checks.build_aggregates(questions)} from {self.relations[table.name]}"
        cells = self.session.fetch_rows(sql, doing=f"looking through {table.name}")[0]
        for question, answers in zip(questions, column_checks.split_answers(questions, cells[1:]), strict=True):
            hidden = (table.name, question.name) in self.hidden_columns
            self.findings += column_checks.find_column_problems(table.name, cells[0], question, answers, hidden=hidden)

    def _scan_key(self, table: SourceTable, section: TableSection) -> None:
        if not section.key or not self._can_use(table.name, section.key):
            return
        key = section.key
        self._collect_findings(
            table.name,
            lambda: keys_and_references.find_key_problems(
                self.session,
                table,
                self.relations[table.name],
                key,
                repeats=section.duplicates == "unit",
                hidden=self._is_hidden(table.name, key),
            ),
        )

    def _collect_findings(self, name: str, look: Callable[[], list[Finding]]) -> None:
        try:
            self.findings += look()
        except SandboxError as error:
            self._report_unreadable(name, error)

    def _report_unreadable(self, name: str, error: SandboxError, *, table: str | None = None) -> None:
        message = f"{name} cannot be read: {error.message}"
        self.findings.append(Finding(kind="unreadable", severity="error", table=table or name, message=message))

    def _can_use(self, table: str, columns: Iterable[str]) -> bool:
        usable = set(self.readable_tables[table].columns) - self.unreadable_columns[table]
        return all(column in usable for column in columns)

    def _is_hidden(self, table: str, columns: Iterable[str]) -> bool:
        return any((table, column) in self.hidden_columns for column in columns)
