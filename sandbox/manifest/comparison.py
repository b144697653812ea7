"""``.sandbox/comparisons/last.json``: the result of the last comparison of two runs."""

from __future__ import annotations

from typing import ClassVar, Self

from sandbox.manifest.canonical_json import hash_json
from sandbox.manifest.diff import OutputDiff
from sandbox.manifest.document import Document


class ComparisonRecord(Document):
    """The result for each output; ``identity`` is a digest of the comparison's inputs, ``digest`` one of the outputs."""

    NAME: ClassVar[str] = "the last comparison's record"

    identity: str
    digest: str
    outputs: dict[str, OutputDiff]

    @classmethod
    def from_outputs(cls, identity: str, outputs: dict[str, OutputDiff]) -> Self:
        """Return the record of a result."""
        return cls(identity=identity, digest=_hash_outputs(outputs), outputs=outputs)

    @property
    def is_intact(self) -> bool:
        """Whether the outputs match their digest."""
        return self.digest == _hash_outputs(self.outputs)


def _hash_outputs(outputs: dict[str, OutputDiff]) -> str:
    return hash_json({name: output.model_dump(mode="json") for name, output in outputs.items()})
