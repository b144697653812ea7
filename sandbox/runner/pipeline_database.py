"""The seam to databases that runs work in: one of its own for each run, made from the sample, read out at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sandbox.model import Sample


class PipelineDatabase(Protocol):
    """A run's own database, while the run goes on."""

    @property
    def volumes(self) -> Mapping[str, str]:
        """What a run sees of the container engine's volumes to reach it: names, and where."""
        ...

    @property
    def network(self) -> str | None:
        """The container engine's network by which a run reaches it, where that is asked for."""
        ...

    @property
    def variables(self) -> Mapping[str, str]:
        """What tells the run where it is."""
        ...

    def export_outputs(self, folder: Path) -> Mapping[str, str]:
        """Write what the run left there as outputs into a folder; return what is left out, by name, with the reason.

        Raises:
            PipelineError: It cannot be read.
        """
        ...


class PipelineDatabaseFactory(Protocol):
    """Makes databases for runs."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What of them can change a run's outputs."""
        ...

    def open_database(self, sample: Sample) -> AbstractContextManager[PipelineDatabase]:
        """Give a database with a sample in it, which is removed when the block ends."""
        ...
