"""The options of a diff: the compared versions, and how they are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.compare.rows.row_files import RowFileOptions


@dataclass(frozen=True, kw_only=True)
class DiffVersions:
    """The compared versions.

    Attributes:
        baseline: A git ref; None is production's version.
        candidate: A git ref; None is the working tree.
        outputs: The path of production's real outputs, used instead of a run of the baseline.
        stack: A file with a stack for the candidate; both sides then have the candidate's code.
    """

    baseline: str | None = None
    candidate: str | None = None
    outputs: Path | None = None
    stack: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """The options of a diff.

    Attributes:
        name: The name of the sandbox in the project.
        fresh: Whether to ignore earlier runs.
        frozen: Whether to refuse changes of the lock or the sample.
        values: Whether reports and messages may contain values of rows.
        persistent: Whether to prepare the sandbox and update ``sandbox.lock`` from the working tree, as `create` does.
        accept_rules: Whether to accept rules looser than in the baseline commit's file.
        rows: The target of all differing rows; None writes none.
        certify: Whether to certify models of another warehouse by production's outputs.
        groups: Whether to run random groups of units, however long they take; None runs them if they take less than a
            minute.
    """

    name: str = "default"
    fresh: bool = False
    frozen: bool = False
    values: bool = True
    persistent: bool = True
    accept_rules: bool = False
    rows: RowFileOptions | None = None
    certify: bool = False
    groups: bool | None = None
