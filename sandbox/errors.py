"""Define all errors of sandbox, in one tree.

    SandboxError
    ├── UsageError              2   the command line
    ├── ConfigError            10   sandbox.toml, or a git ref or file named in it
    ├── SourceError            11   the source cannot be read
    ├── DataRuleError          12   data breaks a rule: duplicate key, null key, missing column, dangling reference
    ├── StoreError             13   a sample, run or report is missing, corrupt or of an unknown format
    ├── ContainerEngineError   14   the container engine or an image
    ├── PipelineError          15   the pipeline failed, or its outputs cannot be read
    ├── PipelineTimeoutError   16   the pipeline ran out of time
    ├── PipelineMemoryError    17   the pipeline ran out of memory
    ├── FrozenMismatchError    18   the lock or the sample does not match the request
    └── BisectSkipError       125   `sandbox diff --bisect`: this version cannot be judged, another may

Each class carries its exit status; only ``main`` exits with it. A message states the failure, with the values, and the
reason; the hint is the next command to type. Foreign exceptions become sandbox's errors in the adapter that catches them.
A failure never exits 0 or 1, because 1 is a verdict of ``sandbox diff``.
"""

from __future__ import annotations

from typing import ClassVar


class SandboxError(Exception):
    """A failure that the user can understand and act on.

    Attributes:
        message: The failure, with the values, and the reason.
        hint: The next command or change; may span lines; empty if there is none.
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
    """``sandbox.toml`` is missing or invalid, or names something missing (a git ref, a requirements file)."""

    status = 10
    kind = "config"


class SourceError(SandboxError):
    """The source cannot be read.

    Attributes:
        lost: Whether the source does not answer, or stopped answering: then the rows drawn so far are kept.
    """

    status = 11
    kind = "source"

    def __init__(self, message: str, *, hint: str = "", lost: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.lost = lost


class DataRuleError(SandboxError):
    """The source can be read, but its data breaks a rule required by the sample."""

    status = 12
    kind = "rule"


class StoreError(SandboxError):
    """A sample, run or report is missing, corrupt or of an unknown format, or cannot be written."""

    status = 13
    kind = "store"


class ContainerEngineError(SandboxError):
    """The container engine cannot be reached, or an image cannot be built or prepared."""

    status = 14
    kind = "engine"


class PipelineError(SandboxError):
    """The pipeline failed, or its outputs cannot be read."""

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
    """The lock or the sample does not match the request, and neither may change."""

    status = 18
    kind = "frozen"


class BisectSkipError(SandboxError):
    """The version under test by ``git bisect run`` cannot be judged, for a reason of its own."""

    status = 125
    kind = "unjudged"
