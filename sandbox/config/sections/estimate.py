"""``[estimate]``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sandbox.config.sections.base import Section

CheckExtent = Literal["full", "half", "none"]


class EstimateSection(Section):
    """``[estimate]``: estimates for production."""

    checks: CheckExtent = Field(
        default="full",
        description=(
            "How it is checked that rows of a unit depend on no other unit: on a half-sample and on the other half, "
            "enlarged (`full`), or on a half-sample alone, which cannot see a limit above the sample (`half`). With "
            "`none` nothing is estimated."
        ),
        examples=["half"],
    )
