"""``tests.json``: data tests and declared rules, asked of the outputs that production made."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from sandbox.manifest.diff import DataTestResult
from sandbox.manifest.document import Document, DocumentPart

ProductionVerdict = Literal["held", "broken", "not_judged"]


class TestedOutput(DocumentPart):
    """An output that tests have read: its bytes, and the condition of its newest part (None if it was read whole)."""

    bytes: int
    condition: str | None = None


class DbtResults(DocumentPart):
    """The results of dbt's own tests: the folder, when dbt wrote them, and dbt's version."""

    folder: str
    generated: str
    version: str


class ProductionTests(Document):
    """The results; ``verdict`` is ``not_judged`` if no test breaks and one could not be run."""

    NAME: ClassVar[str] = "the result of the production tests"

    id: str
    created: str
    project: str
    place: str | None
    verdict: ProductionVerdict
    seconds: float
    outputs: dict[str, TestedOutput]
    tests: list[DataTestResult]
    dbt: DbtResults | None = None
    warnings: list[str] = Field(default_factory=list)
