"""Define the interface of databases for runs: each run has its own, loaded from the sample and exported at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sandbox.model import Sample


class PipelineDatabase(Protocol):
    """A run's own database during the run."""

    @property
    def volumes(self) -> Mapping[str, str]:
        """The container engine's volumes by which a run reaches it: names and mount paths."""
        ...

    @property
    def network(self) -> str | None:
        """The container engine's network by which a run reaches it, if requested."""
        ...

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables with its address."""
        ...

    def export_outputs(self, folder: Path) -> Mapping[str, str]:
        """Write the run's outputs from the database into a folder; return skipped ones by name, with the reason.

        Raises:
            PipelineError: It cannot be read.
        """
        ...


class PipelineDatabaseFactory(Protocol):
    """Creates databases for runs."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """The properties of the databases that can change a run's outputs."""
        ...

    def open_database(self, sample: Sample) -> AbstractContextManager[PipelineDatabase]:
        """Yield a database loaded with a sample; remove it after the block."""
        ...
