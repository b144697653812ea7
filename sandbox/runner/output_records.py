"""Record a run's outputs and logs, and check whether they still match the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import PipelineError
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.run import OutputFile, RunArtifact
from sandbox.model import TableFiles
from sandbox.tables.folder_contents import list_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from sandbox.manifest.run import RunOutput, RunRecord

VIEWS_FOLDER = "_sandbox_views"
"""Folder of the rows of evaluated views, below a run's outputs."""
DBT_FOLDER = "_dbt"
"""Folder kept by a dbt run for later runs, below its outputs."""


def list_output_tables(folder: Path, outputs: Mapping[str, RunOutput]) -> dict[str, TableFiles]:
    """Return recorded outputs as tables to read."""
    return {
        name: TableFiles(
            name=name,
            format=output.format,
            paths=tuple(folder / file.path for file in output.files),
            member=output.member,
            schema=output.database_schema,
            folder=None if output.folder is None else folder / output.folder,
            csv=output.csv,
        )
        for name, output in outputs.items()
    }


def find_damage(folder: Path, record: RunRecord) -> str | None:
    """Return the first difference of a run's outputs and logs from their record; None if they match.

    Args:
        folder: The run's folder.
        record: Its record.
    """
    output = folder / "output"
    recorded = list(_list_recorded_files(output, record))
    recorded += [(folder / file.path, file) for file in record.logs]
    for path, file in recorded:
        try:
            if path.stat().st_size != file.bytes or hash_file(path) != file.sha256:
                return f"{path} was changed"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
    # Earlier versions did not record the folder kept by a dbt run.
    is_dbt_recorded = any(file.path.startswith(f"{DBT_FOLDER}/") for file in record.others)
    return _find_added_file(output, {path for path, _ in recorded}, () if is_dbt_recorded else {DBT_FOLDER})


def _list_recorded_files(output: Path, record: RunRecord) -> Iterator[tuple[Path, OutputFile | RunArtifact]]:
    for table in record.outputs.values():
        yield from ((output / file.path, file) for file in table.files)
    yield from ((output / path, artifact) for path, artifact in record.artifacts.items())
    yield from ((output / file.path, file) for file in record.others)


def _find_added_file(output: Path, recorded: Iterable[Path], skipped: Collection[str]) -> str | None:
    """Return a problem if files were added: a log beside a database, or a lake's new version, would be read too."""
    known = set(recorded)
    try:
        added = next((path for path in list_files(output, skipped=skipped) if path not in known), None)
    except (OSError, PipelineError) as error:
        return f"{output} cannot be read: {error}"
    return None if added is None else f"{added} was added"


def record_file(folder: Path, path: Path) -> OutputFile:
    """Return the record of a file, by which `find_damage` recognizes it."""
    return OutputFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=hash_file(path))
