"""Everything that can go wrong, in one tree.

    SandboxError
    ├── UsageError            2   the command line
    ├── ConfigError          10   sandbox.toml, or what it names in the repository
    ├── SourceError          11   the source cannot be read
    ├── RuleError            12   data breaks a rule: duplicate key, null key, missing column, dangling reference
    ├── StoreError           13   a sample, run or report is missing, corrupt or of an unknown format
    ├── EngineError          14   the container engine or an image
    ├── PipelineError        15   the pipeline failed, or its outputs cannot be read
    ├── PipelineTimeoutError 16   the pipeline ran out of time
    ├── PipelineMemoryError  17   the pipeline ran out of memory
    ├── FrozenError          18   the lock or the sample is not what was asked for
    └── UnjudgedError       125   `sandbox diff --bisect`: this version cannot be judged, another may

Each class carries its exit status; ``main`` turns it into one, nothing else does. A message says what failed, with
the values, and why; the hint is what to type next. Foreign exceptions become ours in the adapter that met them.
A failure never exits 0 or 1, because 1 is a verdict of ``sandbox diff``.
"""

from __future__ import annotations

from typing import ClassVar


class SandboxError(Exception):
    """Something failed in a way that the user can understand and act on.

    Attributes:
        message: What failed, with the values, and why.
        hint: What to type or change next; may span lines; empty where there is nothing to add.
        status: The exit status of the command.
        kind: The name of the error in JSON.
    """

    status: ClassVar[int] = 70
    kind: ClassVar[str] = "bug"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SandboxError):
    """The command line does not make sense."""

    status = 2
    kind = "usage"


class ConfigError(SandboxError):
    """``sandbox.toml`` is missing or wrong, or names something that is not there (a git ref, a requirements file)."""

    status = 10
    kind = "config"


class SourceError(SandboxError):
    """The source cannot be read.

    Attributes:
        lost: Whether that is because it does not answer, or not any more: then what was drawn of it is kept.
    """

    status = 11
    kind = "source"

    def __init__(self, message: str, *, hint: str = "", lost: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.lost = lost


class DataRuleError(SandboxError):
    """The source can be read, but its data breaks a rule that the sample relies on."""

    status = 12
    kind = "rule"


class StoreError(SandboxError):
    """A sample, run or report is missing, corrupt or of an unknown format, or cannot be written."""

    status = 13
    kind = "store"


class ContainerEngineError(SandboxError):
    """The container engine cannot be reached, or an image cannot be built or made ready."""

    status = 14
    kind = "engine"


class PipelineError(SandboxError):
    """The pipeline failed, or what it left cannot be read."""

    status = 15
    kind = "pipeline"


class PipelineTimeoutError(SandboxError):
    """The pipeline ran out of time."""

    status = 16
    kind = "timeout"


class PipelineMemoryError(SandboxError):
    """The pipeline ran out of memory."""

    status = 17
    kind = "memory"


class FrozenMismatchError(SandboxError):
    """The lock or the sample does not match what was asked for, and neither may move."""

    status = 18
    kind = "frozen"


class BisectSkipError(SandboxError):
    """The version that ``git bisect run`` asks about cannot be judged, for a reason of its own."""

    status = 125
    kind = "unjudged"
