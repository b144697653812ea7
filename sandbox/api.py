"""The Python API: the objects of the commands, for notebooks, tests and other programs.

Import it as ``import sandbox``: ``sandbox.open`` and ``sandbox.compare_tables`` are loaded at first use. Errors are those of
`sandbox.errors`.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from sandbox.model import SilentProgress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb
    import pyarrow as pa

    from sandbox.config import Project as ProjectSettings
    from sandbox.manifest.diff import DiffDocument, OutputDiff
    from sandbox.manifest.output_estimate import OutputEstimate
    from sandbox.manifest.run import RunRecord
    from sandbox.project.sample import SampleResult
    from sandbox.runner.run import Run as FinishedRun

RowKind = Literal["added", "removed", "changed"]


class ArrowTable(Protocol):
    """A table that offers its rows by the Arrow PyCapsule interface: pyarrow, pandas, Polars, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the rows as a stream."""
        ...


class TableComparison:
    """The comparison of two tables.

    Attributes:
        document: The comparison as a ``diff.json``.
        verdict: ``same``, ``within_gate`` or ``outside_gate``.
        result: The counts, columns, examples and distributions, as an output in ``diff.json``.
    """

    def __init__(self, document: DiffDocument, rows: Mapping[RowKind, pa.Table]) -> None:
        self.document = document
        self.verdict = document.verdict
        [self.result] = document.outputs.values()
        self._rows = rows

    def rows(self, kind: RowKind) -> pa.Table:
        """Return the added, removed or changed rows (see docs/outputs.md); a table without columns if there are none."""
        return self._rows[kind]

    def __repr__(self) -> str:
        rows = self.result.rows
        return f"<{self.verdict}: {rows.added} added, {rows.removed} removed, {rows.changed} changed>"


def compare_tables(
    baseline: str | os.PathLike[str] | ArrowTable,
    candidate: str | os.PathLike[str] | ArrowTable,
    *,
    key: Sequence[str] = (),
    rules: str | os.PathLike[str] | None = None,
) -> TableComparison:
    """Compare two tables, as ``sandbox diff TABLE TABLE`` does.

    Args:
        baseline: A path (also ``file.duckdb:table``), or a table of pyarrow, pandas, Polars or DuckDB.
        candidate: The table to compare with it.
        key: The columns that identify a row; empty to search for them.
        rules: A file with an ``[output]`` table.

    Raises:
        SourceError: A table cannot be read.
        DataRuleError: The key is missing in a table.

    >>> import pyarrow as pa
    >>> before = pa.table({"id": [1, 2, 3], "total": [10, 20, 30]})
    >>> after = pa.table({"id": [1, 2, 4], "total": [10, 21, 40]})
    >>> found = compare_tables(before, after, key=["id"])
    >>> found
    <outside_gate: 1 added, 1 removed, 1 changed>
    >>> found.rows("changed").to_pylist()
    [{'id': 2, 'total': 20, 'total__candidate': 21, 'changed_columns': ['total']}]
    """
    from sandbox.commands.table_diff import TableDiffOptions, diff_tables  # noqa: PLC0415 - `import sandbox` is fast
    from sandbox.compare.rows.row_files import RowFileOptions  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="sandbox-compare-") as folder:
        names = [
            _name_table(table, Path(folder) / f"{side}.parquet")
            for side, table in (("baseline", baseline), ("candidate", candidate))
        ]
        target = Path(folder) / "rows"
        terms = TableDiffOptions(
            key=tuple(key), rules=Path(rules) if rules is not None else None, rows=RowFileOptions(folder=target)
        )
        document = diff_tables(names[0], names[1], terms, progress=SilentProgress()).document
        return TableComparison(document, _read_row_files(target, next(iter(document.outputs))))


def open_project(path: str | os.PathLike[str] = ".") -> Project:
    """Open the project with the ``sandbox.toml`` in a folder or above it, or the one that is named.

    Raises:
        ConfigError: There is none, or it is invalid.
    """
    from sandbox.config.project_file import load_project  # noqa: PLC0415 - `import sandbox` is fast

    place = Path(path).absolute()
    file = place if place.is_file() else None
    return Project(load_project(file, start=place, environ=os.environ, flags={}))


class Project:
    """A project, as ``sandbox.open`` returns it.

    Attributes:
        root: The folder of its ``sandbox.toml``.
        settings: Its settings, with the environment's.
        config: Both, as the functions behind the commands take them.
    """

    def __init__(self, project: ProjectSettings) -> None:
        self.config = project
        self.settings = project.settings
        self.root = project.root

    def sample(self) -> Sample:
        """Return the project's sample, drawn or pulled if there is none yet."""
        from sandbox.project.sample import ensure_sample  # noqa: PLC0415 - `import sandbox` is fast

        return Sample(ensure_sample(self.config, progress=SilentProgress()))

    def run(self, ref: str | None = None) -> Run:
        """Run a git ref, or the working tree; an equal successful run is reused.

        Raises:
            PipelineError, PipelineTimeoutError, PipelineMemoryError: The run failed.
        """
        from sandbox.project.pipeline_run import run  # noqa: PLC0415 - `import sandbox` is fast

        done = run(self.config, ref=ref, name="default", fresh=False, frozen=False, progress=SilentProgress())
        return Run(done.run)

    def diff(self, baseline: str | None = None, candidate: str | None = None) -> Diff:
        """Compare two versions, as ``sandbox diff`` does: production's and the working tree by default.

        Raises:
            SandboxError: A version could not be judged.
        """
        from sandbox.commands.diff import diff  # noqa: PLC0415 - `import sandbox` is fast
        from sandbox.impact.options import DiffOptions, DiffVersions  # noqa: PLC0415

        versions = DiffVersions(baseline=baseline, candidate=candidate)
        result = diff(self.config, versions, DiffOptions(), progress=SilentProgress())
        return Diff(self.config, result.document)


class Sample:
    """A project's sample.

    Attributes:
        fingerprint: Identifies its rows.
        path: Its folder.
        tables: The files of its tables, by name.
        result: Both with the manifest, as ``sandbox sample`` returns them.
    """

    def __init__(self, result: SampleResult) -> None:
        self.result = result
        self.fingerprint = result.sample.fingerprint
        self.path = result.sample.path
        self.tables = dict(result.sample.tables)

    def arrow(self, table: str) -> pa.Table:
        """Return the rows of a table."""
        import pyarrow as pa  # noqa: PLC0415 - `import sandbox` is fast
        import pyarrow.parquet as pq  # noqa: PLC0415

        return pa.concat_tables([pq.read_table(path, partitioning=None) for path in self.tables[table].paths])

    def weights(self, unit: str) -> pa.Table:
        """Return the units of a unit table with their weights and strata."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - `import sandbox` is fast

        return pq.read_table(self.path / self.result.manifest.weights[unit].path)

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """Return a connection in memory with a view for each table."""
        from sandbox.engine.duckdb.sample_views import connect_sample  # noqa: PLC0415 - `import sandbox` is fast

        return connect_sample(self.result.sample)


class Run:
    """A finished run.

    Attributes:
        record: Its ``run.json``.
        path: Its folder.
        outputs: The names of its tables.
    """

    def __init__(self, run: FinishedRun) -> None:
        self.record: RunRecord = run.record
        self.path = run.folder
        self.outputs = sorted(run.record.outputs)


@dataclass(frozen=True)
class Diff:
    """A diff. ``document`` is its ``diff.json``."""

    _project: ProjectSettings
    document: DiffDocument

    @property
    def verdict(self) -> str:
        """``same``, ``within_gate`` or ``outside_gate``."""
        return self.document.verdict

    @property
    def report(self) -> Path:
        """The path of the HTML report."""
        return Path(str(self.document.report))

    @property
    def estimates(self) -> dict[str, OutputEstimate]:
        """The effect on production, by output."""
        return {name: output.estimate for name, output in self.document.outputs.items()}

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """The outputs, by name."""
        return {
            name: Output(self._project, self.document.id, name, found) for name, found in self.document.outputs.items()
        }


@dataclass(frozen=True)
class Output:
    """An output of a diff. ``result`` has its counts, columns and examples."""

    _project: ProjectSettings
    _diff: str
    name: str
    result: OutputDiff

    def rows(self, kind: RowKind) -> pa.Table:
        """Return the added, removed or changed rows (see docs/outputs.md)."""
        from sandbox.commands.diff_views import find_diff_tables  # noqa: PLC0415 - `import sandbox` is fast
        from sandbox.project.sample import ensure_sample  # noqa: PLC0415

        manifest = ensure_sample(self._project, progress=SilentProgress()).manifest
        tables = find_diff_tables(self._project, manifest, "", which=self._diff, progress=SilentProgress())
        assert tables is not None
        return _read_row_files(tables.rows, self.name)[kind]


def read_arrow(table: ArrowTable) -> pa.Table:
    """Return all rows of a table in memory."""
    import pyarrow as pa  # noqa: PLC0415 - `import sandbox` is fast

    return pa.RecordBatchReader.from_stream(table).read_all()


def _name_table(table: str | os.PathLike[str] | ArrowTable, path: Path) -> str:
    """Return the path of a table; one in memory is written to ``path``."""
    if isinstance(table, str | os.PathLike):
        return os.fspath(table)
    import pyarrow as pa  # noqa: PLC0415 - `import sandbox` is fast
    import pyarrow.parquet as pq  # noqa: PLC0415

    reader = pa.RecordBatchReader.from_stream(table)
    with reader, pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return str(path)


def _read_row_files(folder: Path, name: str) -> dict[RowKind, pa.Table]:
    import pyarrow as pa  # noqa: PLC0415 - `import sandbox` is fast
    import pyarrow.parquet as pq  # noqa: PLC0415

    kinds: tuple[RowKind, ...] = ("added", "removed", "changed")
    files = {kind: folder.joinpath(*name.split("/")) / f"{kind}.parquet" for kind in kinds}
    return {kind: pq.read_table(file) if file.is_file() else pa.table({}) for kind, file in files.items()}
