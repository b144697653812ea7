"""The estimate of one output in ``diff.json``: what a change would do to all of production."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sandbox.manifest.document import DocumentPart

EstimateStatus = Literal["exact", "estimated", "lower_bound", "bounded", "not_estimated"]


class EstimatedFigure(DocumentPart):
    """An estimate for all of production, with the limits of its 95 % interval, or None.

    ``status``: ``exact``, low = estimate = high; ``estimated``, with both limits; ``lower_bound``, with the limit nearer
    0; ``bounded``, without limits; ``not_estimated``. ``unseen_change`` is how much the ten largest units that were not
    drawn would add, had they changed as strongly as the sampled ones; None where no size of them is known.
    """

    status: EstimateStatus
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    unseen_change: float | None = None


NOT_ESTIMATED = EstimatedFigure(status="not_estimated")


class AffectedUnits(EstimatedFigure):
    """Units with any added, removed or changed row; ``sample`` is their number in the sample."""

    sample: int


class FigureChange(DocumentPart):
    """A figure on both sides, and its change (candidate − baseline)."""

    baseline: EstimatedFigure = NOT_ESTIMATED
    candidate: EstimatedFigure = NOT_ESTIMATED
    change: EstimatedFigure = NOT_ESTIMATED


class TotalChange(FigureChange):
    """The total of one numeric column over all rows of units; ``relative`` is its change as a share of the total."""

    relative: EstimatedFigure = NOT_ESTIMATED


class RowsWithoutUnit(DocumentPart):
    """Output rows excluded from all figures: their unit key is null, or not among the drawn units.

    ``different`` counts rows of both sides that were added, removed or changed.
    """

    baseline: int
    candidate: int
    different: int


class CellEstimate(DocumentPart):
    """The totals of one cell of an output: one country, one day. ``key`` maps its key's columns to their values as text."""

    key: dict[str, str | None]
    totals: dict[str, TotalChange]


class GroupEstimate(DocumentPart):
    """What random groups of units tell about an output whose rows name no unit.

    ``count`` is the number of groups. ``cells`` is empty if there are more than 500. ``left_out`` maps numeric columns
    without estimates to the reason.
    """

    count: int
    cells: list[CellEstimate] = Field(default_factory=list)
    left_out: dict[str, str] = Field(default_factory=dict)


class OutputEstimate(DocumentPart):
    """The estimated effect of the change on production, by one output; ``reason`` is set if nothing is estimated.

    ``called`` is what sentences call the units of table ``unit``. ``population`` is the number of units in production.
    ``share`` is the share of production's rows that differ. ``totals`` and ``means`` (over rows with a non-null value)
    are by numeric or boolean column; of the latter, ``truth_columns``, they are the rows that are true and their share.
    ``outside`` counts production's rows without a unit, by table; they are in no figure. It is null if they were not
    counted. ``checked_units`` is the largest number of units on which the separability check ran the code: it cannot see
    a limit above. ``through`` is the sampled table between the output's rows and their units, if the output has that
    table's key and not the unit's. ``groups`` is set if totals come from random groups of units, because no column names a unit: then only
    ``totals`` are estimated.
    """

    status: Literal["estimated", "not_estimated"]
    reason: str | None
    unit: str | None = None
    called: str | None = None
    population: int | None = None
    units_affected: AffectedUnits | None = None
    rows_added: EstimatedFigure = NOT_ESTIMATED
    rows_removed: EstimatedFigure = NOT_ESTIMATED
    rows_changed: EstimatedFigure = NOT_ESTIMATED
    share: EstimatedFigure = NOT_ESTIMATED
    totals: dict[str, TotalChange] = Field(default_factory=dict)
    means: dict[str, FigureChange] = Field(default_factory=dict)
    truth_columns: list[str] = Field(default_factory=list)
    left_out: RowsWithoutUnit | None = None
    outside: dict[str, int | None] = Field(default_factory=dict)
    checked_units: int | None = None
    through: str | None = None
    groups: GroupEstimate | None = None


def upgrade_estimate(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an estimate of version 1 of ``diff.json`` as one of version 2.

    Version 1 called an interval that misses too often ``probably_too_narrow``: it has no limits now. Counts with limits
    of their own were ``bounded``, and are ``estimated``.
    """
    return {name: _upgrade_figure(value) for name, value in fields.items()}


def _upgrade_figure(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "status" not in value:
        return {name: _upgrade_figure(part) for name, part in value.items()}
    if value["status"] == "probably_too_narrow":
        return value | {"status": "bounded", "low": None, "high": None}
    if value["status"] == "bounded" and value.get("high") is not None:
        return value | {"status": "estimated"}
    return value | ({"low": None, "high": None} if value["status"] == "bounded" else {})
