"""The cause of an output's differences, as ``sandbox why`` found it."""

from __future__ import annotations

from pydantic import Field

from sandbox.manifest.document import DocumentPart
from sandbox.manifest.why.attribution import RowExplanation


class OutputCause(DocumentPart):
    """The cause of an output's differences.

    ``explanations`` are the parts of the change with the rows of each, out of ``rows``, the largest first. ``smallest`` counts
    the rows of each input table of the smallest case, and ``is_minimal`` is true if no unit and no row of it could be left
    out. Each is empty if it was not sought.
    """

    rows: int = 0
    explanations: list[RowExplanation] = Field(default_factory=list)
    smallest: dict[str, int] = Field(default_factory=dict)
    is_minimal: bool = False
