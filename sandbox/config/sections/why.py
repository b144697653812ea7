"""``[why]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sandbox.config.quantities import Duration
from sandbox.config.sections.base import Section


class WhySection(Section):
    """``[why]``: the search of ``sandbox why`` for the smallest difference."""

    runs: Annotated[int, Field(ge=2)] = Field(
        default=25, description="Largest number of runs of the pipeline on parts of the sample.", examples=[25]
    )
    time: Duration = Field(default=300.0, description="Time after which no further run begins.", examples=["5m"])
