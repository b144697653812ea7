"""Types and the base class of the sections of ``sandbox.toml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NonEmptyText = Annotated[str, StringConstraints(min_length=1)]
ColumnNames = Annotated[list[NonEmptyText], Field(min_length=1)]
PositiveInteger = Annotated[int, Field(gt=0)]
Scalar = str | int | float | bool


class Section(BaseModel):
    """A frozen table of the file; unknown keys are errors."""

    # Built on first use: commands import more sections than they read.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
