"""The Python of Spark's processes on this machine is no file of a repository, which a change could replace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.config.sections.source import SparkSection
from sandbox.errors import ConfigError
from sandbox.sources.adapters.spark import connect_cluster
from sandbox.sources.listing import SourceListing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("linked", [False, True])
def test_a_python_of_the_repository_is_refused_before_spark_starts(tmp_path: Path, linked: bool) -> None:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    python = tmp_path / "repository" / "python"
    python.write_text("#!/bin/sh\n")
    if linked:
        link = tmp_path / "python"
        link.symlink_to(python)
        python = link
    listing = SourceListing(uri=str(tmp_path), base=tmp_path, display_name="warehouse/", is_folder=True)
    with pytest.raises(ConfigError, match="lies in a git repository, so that a change could replace it"):
        connect_cluster(listing, SparkSection(python=str(python)))
