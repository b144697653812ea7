"""What is recorded of a run's outputs and logs, and whether they are still that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.run import OutputFile
from sandbox.model import TableFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sandbox.manifest.run import RunOutput


def list_output_tables(folder: Path, outputs: Mapping[str, RunOutput]) -> dict[str, TableFiles]:
    """Give recorded outputs as tables to read."""
    return {
        name: TableFiles(
            name=name,
            format=output.format,
            paths=tuple(folder / file.path for file in output.files),
            member=output.member,
        )
        for name, output in outputs.items()
    }


def find_damage(folder: Path, outputs: Mapping[str, RunOutput], logs: Iterable[OutputFile] = ()) -> str | None:
    """Say what is wrong with recorded outputs, and with the logs beside their folder, if they are not as they were recorded."""
    files = [(folder / file.path, file) for output in outputs.values() for file in output.files]
    files += [(folder.parent / file.path, file) for file in logs]
    for path, file in files:
        try:
            if path.stat().st_size != file.bytes or hash_file(path) != file.sha256:
                return f"{path} was changed"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
    return None


def record_file(folder: Path, path: Path) -> OutputFile:
    """Give what is recorded of a file, by which `find_damage` knows it again."""
    return OutputFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=hash_file(path))
