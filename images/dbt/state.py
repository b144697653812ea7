"""The outputs of an earlier run of the project, as far as this run can use them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from explain import StoppedError
from node_facts import NodeFacts

if TYPE_CHECKING:
    from pathlib import Path


class State:
    """What an earlier run left in its output folder; see `project`."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.kept = output / "_dbt"
        try:
            self.outputs: dict[str, str] = dict(self._read("built.json")["outputs"])
            self.places: dict[str, list[str]] = dict(self._read("built.json")["places"])
            self.facts = {key: NodeFacts.from_dict(entry) for key, entry in self._read("nodes.json").items()}
            self.code: dict[str, list[str | None]] = dict(self._read("code.json"))
            self.tests: dict[str, dict[str, Any]] = dict(self._read("tests.json"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoppedError(
                f"the record of the baseline's run is incomplete ({type(error).__name__}: {error}); "
                "run it again: sandbox diff --fresh"
            ) from error

    def _read(self, name: str) -> Any:
        return json.loads((self.kept / name).read_text("utf-8"))

    def find_file(self, key: str) -> Path | None:
        """Return the file with the rows of a node; None if there is none."""
        name = self.outputs.get(key)
        path = self.output / f"{name}.parquet" if name else self.kept / f"{key}.parquet"
        return path if path.is_file() else None

    def find_exact_file(self, key: str, exact: str | None) -> Path | None:
        """Return the file from which a database gets the rows of a node; ``exact`` is its folder, if it is another file."""
        path = self.kept / exact / f"{key}.parquet" if exact else self.find_file(key)
        return path if path is not None and path.is_file() else None
