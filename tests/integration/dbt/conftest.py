"""The program that calls dbt, for each module of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.dbt.programs import start_programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.dbt.programs import Programs


@pytest.fixture(scope="module")
def programs(sandbox_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Give the program that calls dbt."""
    yield from start_programs(sandbox_home, tmp_path_factory.mktemp("dbt"))
