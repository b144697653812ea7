"""Compare predicted with observed changes of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.impact.expected_columns.model_graph import GraphDigester
from sandbox.manifest.why.expected_columns import ExpectedColumns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine.sql.column_digests import RelationDigest
    from sandbox.impact.expected_columns.model_graph import ModelGraph
    from sandbox.manifest.diff import OutputDiff

Reach = Literal["same", "expected", "unknown"]


@dataclass(frozen=True, kw_only=True)
class OutputPrediction:
    """The predicted effects of a change on one output.

    Attributes:
        rows: Whether it leads to the output's rows.
        columns: Whether it leads to each column, by name in lower case.
        default: For columns that the lineage does not name.
        reason: Why something is unknown.
    """

    rows: Reach
    columns: Mapping[str, Reach]
    default: Reach
    reason: str | None = None

    def get(self, column: str) -> Reach:
        """Return whether the change leads to a column."""
        return self.columns.get(column.lower(), self.default)


UNKNOWN_REASON = "no SQL of that name makes it"


class ChangePredictor:
    """Predicts the effects of a change.

    Args:
        baseline: The models before.
        candidate: The models after.
    """

    def __init__(self, baseline: ModelGraph, candidate: ModelGraph) -> None:
        self._graphs = baseline, candidate
        self._all = [GraphDigester(graph=graph, is_pinned=False) for graph in self._graphs]
        self._known = [GraphDigester(graph=graph, is_pinned=True) for graph in self._graphs]

    def predict(self, output: str, renamed: Mapping[str, str] | None = None) -> OutputPrediction:
        """Return the effects on an output; ``renamed`` maps the baseline's columns to the candidate's."""
        keys = [graph.outputs.get(output) for graph in self._graphs]
        if keys[0] is None or keys[1] is None:
            return OutputPrediction(rows="unknown", columns={}, default="unknown", reason=UNKNOWN_REASON)
        # Everything that may differ, and what differs because of known code.
        before, after = (self._all[side].digest_model(str(keys[side])) for side in (0, 1))
        known = [self._known[side].digest_model(str(keys[side])) for side in (0, 1)]
        reasons = [self._all[side].find_problem(str(keys[side]), self._differs) for side in (0, 1)]
        rows = _judge((before.rows, after.rows), (known[0].rows, known[1].rows))
        columns: dict[str, Reach] = {}
        for name in [*(before.columns or {}), *(after.columns or {})]:
            other = {old.lower(): new.lower() for old, new in (renamed or {}).items()}.get(name, name)
            columns[name] = _judge(
                (_get(before, name), _get(after, other)), (_get(known[0], name), _get(known[1], other))
            )
        default = rows
        if before.columns is not None and after.columns is not None:
            # A column that the lineage does not have comes from something else.
            default = "same" if before.whole == after.whole else "unknown"
        return OutputPrediction(
            rows=rows,
            columns=columns,
            default=default,
            reason=next((reason for reason in reasons if reason), None) or "its columns are not those of its SQL",
        )

    def _differs(self, key: str) -> bool:
        if any(key not in {*graph.models, *graph.sources} for graph in self._graphs):
            return True
        before, after = (digester.digest_model(key) for digester in self._all)
        return before.whole != after.whole


def _get(digest: RelationDigest, column: str) -> str | None:
    return digest.rows if digest.columns is None else digest.columns.get(column)


def _judge(pair: tuple[str | None, str | None], known: tuple[str | None, str | None]) -> Reach:
    if pair[0] == pair[1]:
        return "same"
    return "expected" if known[0] != known[1] else "unknown"


def compare_with_prediction(output: OutputDiff, prediction: OutputPrediction, names: list[str]) -> ExpectedColumns:
    """Sort the columns of an output by prediction and observation.

    Args:
        output: The comparison.
        prediction: The predicted effects.
        names: The columns of either side; a renamed one has the baseline's name.
    """
    skipped = {*output.ignored, *output.tainted}
    compared = [name for name in names if name not in skipped]
    reach = {name: prediction.get(name) for name in compared}
    differs = output.rows.different > output.rows.noise + output.rows.rounding
    is_keyed = output.key.source != "none"
    if is_keyed:
        # Rows are paired by their key: where that changes, each column may.
        for kind in ("unknown", "expected"):
            if any(prediction.get(column) == kind for column in output.key.columns):
                reach = {name: _extend(found, kind) for name, found in reach.items()}
    schema = output.schema_
    changed = {*schema.added, *schema.removed, *schema.type_changed}
    if differs:
        changed |= {
            name for name, column in output.columns.items() if column.changed and name not in output.noise_tolerances
        }
    came_or_went = max(output.rows.added + output.rows.removed - output.rows.noise - output.rows.rounding, 0)
    if came_or_went and not changed:
        changed = {name for name in compared if reach[name] == "expected"}
    explained = prediction.rows != "same" or any(
        found != "same" for name, found in reach.items() if not is_keyed or name in output.key.columns
    )
    unknown = [name for name in compared if reach[name] == "unknown"]
    is_unknown = bool(unknown) or prediction.rows == "unknown"
    return ExpectedColumns(
        changed=[name for name in compared if reach[name] == "expected" and name in changed],
        unchanged=[name for name in compared if reach[name] == "expected" and name not in changed],
        unexpected=[name for name in compared if reach[name] == "same" and name in changed],
        unexpected_rows=0 if explained else came_or_went,
        unknown=unknown,
        reason=prediction.reason if is_unknown else None,
    )


def _extend(found: Reach, kind: Reach) -> Reach:
    return kind if found == "same" or kind == "expected" else found
