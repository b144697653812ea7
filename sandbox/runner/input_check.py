"""Check that a run left its sample, and the virtual environment that it could write to, as they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sandbox.errors import StoreError
from sandbox.model import SilentProgress
from sandbox.store.checked_folder import check_folder, list_folder_contents, read_checked_files, set_folder_aside
from sandbox.store.environment_check import find_changed_entry, list_entries
from sandbox.store.folder import translate_os_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.model import Environment, Sample
    from sandbox.store.checked_folder import FileStats
    from sandbox.store.environment_check import EntryStats


@dataclass(frozen=True, kw_only=True)
class InputChange:
    """A change of what a run reads: the sample or environment changed, or a file was written and is as before."""

    kind: Literal["sample", "written", "environment"]
    found: str


class InputCheck:
    """The sample and environment of a run, as they are before it.

    Args:
        sample: The sample.
        environment: The environment; that of the local runtime can be written to, an image cannot.

    Raises:
        StoreError: They cannot be read.
    """

    def __init__(self, sample: Sample, environment: Environment) -> None:
        self._sample = sample
        self._is_local = environment.runtime == "local"
        self._files = read_checked_files(sample.path)
        self._stats = self._list_stats()
        folder = Path(environment.reference)
        self._environment = folder if self._is_local and folder.is_dir() else None
        self._entries = self._list_entries()

    def find_change(self) -> InputChange | None:
        """Return the first change since; None if there is none."""
        problem = check_folder(self._sample.path, self._files, SilentProgress()) if self._files else None
        if problem is not None:
            return InputChange(kind="sample", found=problem)
        stats = self._list_stats()
        written = next((path for path in sorted(self._stats) if stats.get(path) != self._stats[path]), None)
        if written is not None:
            return InputChange(kind="written", found=written)
        entry = find_changed_entry(self._entries, self._list_entries())
        return None if entry is None else InputChange(kind="environment", found=entry)

    def set_aside(self, change: InputChange, ref: str) -> StoreError:
        """Rename what was changed by the run of a version, and return the error for it."""
        sample = f"the sample {self._sample.fingerprint[:12]}"
        if change.kind == "written":
            return StoreError(
                f"{change.found} of {sample} was written while the pipeline at {ref} ran, and is as before now: what the "
                "run read is not known",
                hint="the pipeline must not write to $SANDBOX_SAMPLE; if another program did, run it again",
            )
        if change.kind == "sample" or self._environment is None:
            aside = set_folder_aside(self._sample.path)
            return StoreError(
                f"{sample} was changed while the pipeline at {ref} ran: {change.found}; nothing is judged by that run",
                hint=f"the pipeline must not write to $SANDBOX_SAMPLE; the changed sample is now {aside}, "
                "and the next command draws or pulls it again",
            )
        aside = set_folder_aside(self._environment)
        return StoreError(
            f"the environment {self._environment.name[:12]} was changed while the pipeline at {ref} ran: {change.found}; "
            "nothing is judged by that run",
            hint="the pipeline must not install libraries; name them in [stack] requirements. The changed environment is "
            f"now {aside}, and the next command makes it again",
        )

    def _list_stats(self) -> Mapping[str, FileStats]:
        """Return the stats of the sample's files if a run could write to them; empty for a read-only mount."""
        if not self._is_local:
            return {}
        with translate_os_errors(self._sample.path):
            return list_folder_contents(self._sample.path)[0]

    def _list_entries(self) -> Mapping[str, EntryStats]:
        return {} if self._environment is None else list_entries(self._environment)
