"""The schema of ``sandbox.toml``: every key, its type and its default.

`sandbox.config.settings_checks` has the checks across several keys.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from sandbox.config.sections.base import Section
from sandbox.config.sections.estimate import EstimateSection
from sandbox.config.sections.outputs import DataTestEntry, GateSection, OutputSection, ProductionSection
from sandbox.config.sections.promotion import PromotionSection
from sandbox.config.sections.sample import SampleSection, TableSection
from sandbox.config.sections.source import ProjectSection, SourceSection
from sandbox.config.sections.stack import PipelineSection, StackSection
from sandbox.config.sections.why import WhySection
from sandbox.model import ResourceLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


STATE_FOLDER = ".sandbox"  # beside sandbox.toml


class Settings(Section):
    """The whole file."""

    version: Literal[1] = Field(description="Version of the file's format.", examples=[1])
    project: ProjectSection = Field(description="The project.")
    source: SourceSection = Field(description="Location of production's data.")
    sample: SampleSection = Field(description="What is drawn.")
    tables: dict[str, TableSection] = Field(description="The tables of the sample, by name.")
    stack: StackSection = Field(default_factory=StackSection, description="Where the code runs.")
    pipeline: PipelineSection = Field(default_factory=PipelineSection, description="The code.")
    outputs: dict[str, OutputSection] = Field(
        default_factory=dict, description="Rules for comparing an output, by its name."
    )
    tests: list[DataTestEntry] = Field(default_factory=list, description="Data tests of the outputs.")
    estimate: EstimateSection = Field(default_factory=EstimateSection, description="Estimates for production.")
    gate: GateSection = Field(default_factory=GateSection, description="What a change may do and still pass.")
    promotion: PromotionSection = Field(
        default_factory=PromotionSection, description="Signed records of accepted changes."
    )
    production: ProductionSection = Field(
        default_factory=ProductionSection,
        description="The outputs that production made, for `sandbox test --production`.",
    )
    why: WhySection = Field(default_factory=WhySection, description="The search for the smallest difference.")

    @property
    def output_csv(self) -> dict[str, dict[str, Any]]:
        """How the CSV files of outputs are written, by output, as in the file."""
        return {
            name: output.csv.model_dump(mode="json", exclude_unset=True)
            for name, output in self.outputs.items()
            if output.csv is not None
        }


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project: its resolved settings and its location.

    Attributes:
        file: The absolute path of its ``sandbox.toml``.
        settings: File, environment and flags, resolved.
        given: Values from the environment and flags, by the path of the key.
        accept_masks: Whether a flag accepts masks weaker than the baseline's.
        ignored_keys: Keys overridden by different values in the baseline's file.
        allow_outside: Whether the file may name files outside the git repository.
    """

    file: Path
    settings: Settings
    given: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    accept_masks: bool = False
    ignored_keys: tuple[str, ...] = ()
    allow_outside: bool = False

    @property
    def given_keys(self) -> frozenset[str]:
        """Keys set by the environment or a flag, in TOML notation."""
        return frozenset(".".join(path) for path in self.given)

    @property
    def root(self) -> Path:
        """The folder of ``sandbox.toml``, base of the file's relative paths."""
        return self.file.parent

    @property
    def state_folder(self) -> Path:
        """The folder of the project's own state."""
        return self.root / STATE_FOLDER

    def resolve_limits(self, machine_bytes: int) -> ResourceLimits:
        """Return the limits of a run's first attempt.

        Args:
            machine_bytes: The memory of the machine that runs it. ``auto`` is a quarter of it, from 1 to 4 GB.
        """
        limits = self.settings.stack.limits
        quarter = min(max(machine_bytes // 4, 10**9), 4 * 10**9, machine_bytes)
        memory = limits.memory if isinstance(limits.memory, int) else quarter
        return ResourceLimits(
            cpus=limits.cpus,
            memory_bytes=memory,
            timeout_seconds=limits.timeout,
            output_bytes=limits.output or self._choose_output_limit(),
        )

    def _choose_output_limit(self) -> int:
        """Return half of the space that is free where runs are kept."""
        return max(shutil.disk_usage(self.root).free // 2, 1)

    def compute_retry_memory(self, machine_bytes: int) -> int | None:
        """Return the memory for one retry after out-of-memory: with ``auto`` 3/4 of the machine's, else None."""
        return machine_bytes * 3 // 4 if self.settings.stack.limits.memory == "auto" else None
