"""Decide which differences between two frames are findings. Pure.

Nothing is sampled, so every difference is real, and equal frames have none. A finding is large, and more than four standard
errors of both frames together: more than such a process gives by itself. Totals and numbers of units are not compared, because
growth is normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.formatting import format_count, format_number, format_share, format_value
from sandbox.manifest.production.drift import DriftFinding
from sandbox.manifest.profile import FrameFigure

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from sandbox.manifest.production.drift import DriftKind, DriftVerdict
    from sandbox.manifest.profile import FrameColumn, FrameTable

ERRORS = 4.0
LARGE_SHARE = 0.02
SMALL_SHARE, SHARE_FACTOR = 0.001, 1.5
MEAN_CHANGE = 0.1
NEW_VALUE_SHARE = 0.005
PERIOD_LOSS = 0.1
UNSAMPLED_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """The units of a stratum, and how many of them the sample has (0 for one that was not there)."""

    label: str
    units: int
    sampled: int = 0


@dataclass(frozen=True, kw_only=True)
class ComparedFigure:
    """The meaning of a figure; ``subject`` begins the message about it, ``whole`` is the whole of a share."""

    kind: DriftKind
    table: str
    subject: str
    column: str | None = None
    whole: str = "the rows"


@dataclass(kw_only=True)
class FrameComparison:
    """Compares figures and collects findings; ``scale`` multiplies the sizes from which a difference counts."""

    scale: float
    findings: list[DriftFinding] = field(default_factory=list)
    compared: int = 0

    @property
    def new_value_share(self) -> float:
        """The share of rows from which a new value is reported."""
        return NEW_VALUE_SHARE * self.scale

    def compare_shares(self, figure: ComparedFigure, then: FrameFigure, now: FrameFigure) -> None:
        """Compare two shares."""
        self.compared += 1
        if not _exceeds_errors(then, now) or not self._is_large_share(then.value, now.value):
            return
        verb = "grew" if now.value > then.value else "shrank"
        change = f"from {format_share(then.value)} to {format_share(now.value)} of {figure.whole}"
        self._add(figure, then, now, f"{figure.subject} {verb} {change}")

    def compare_means(self, figure: ComparedFigure, then: FrameFigure, now: FrameFigure) -> None:
        """Compare two means per unit."""
        self.compared += 1
        change = abs(now.value - then.value)
        if not _exceeds_errors(then, now) or change <= MEAN_CHANGE * self.scale * abs(then.value):
            return
        verb = "grew" if now.value > then.value else "shrank"
        self._add(
            figure, then, now, f"{figure.subject} {verb} from {_format_mean(then.value)} to {_format_mean(now.value)}"
        )

    def compare_tables(self, name: str, then: FrameTable, now: FrameTable, *, drawn: dt.datetime) -> None:
        """Compare all figures of a table; a period counts if it had ended when the sample was drawn."""
        if then.per_unit is not None and now.per_unit is not None:
            figure = ComparedFigure(kind="rows", table=name, subject=f"the number of {name} per row of {then.unit}")
            self.compare_means(figure, then.per_unit, now.per_unit)
        for column, before in then.columns.items():
            after = now.columns.get(column)
            if after is not None:
                self._compare_columns(name, column, before, after, drawn, then.unit)

    def add_new_value(self, table: str, column: str, value: str, share: FrameFigure, *, was_unknown: bool) -> None:
        """Add a finding for a value that was not among the recorded ones, if it is frequent."""
        zero = FrameFigure(value=0.0, error=0.0)
        if share.value < self.new_value_share or not _exceeds_errors(zero, share):
            return
        shown = format_value(value)
        what = (
            f"the column {column} has a new value {shown} in {format_share(share.value)} of {table}, which no run has seen"
            if was_unknown
            else f"the value {shown} of {table}.{column}, rare when the sample was drawn, is in {format_share(share.value)} of the rows"
        )
        self._add(ComparedFigure(kind="values", table=table, column=column, subject=""), zero, share, what)

    def compare_strata(
        self, unit: str, then: Sequence[Stratum], now: Sequence[Stratum], *, hidden: bool
    ) -> None:  # fmt: skip
        """Compare the units of strata; ``hidden`` keeps their values out of messages."""
        totals = sum(stratum.units for stratum in then), sum(stratum.units for stratum in now)
        known = {stratum.label: stratum for stratum in then}
        present = {stratum.label: stratum for stratum in now}
        for label in dict.fromkeys([*known, *present]):
            before, after = (
                build_share(held[label].units if label in held else 0, total)
                for held, total in ((known, totals[0]), (present, totals[1]))
            )
            subject = f"a stratum of {unit}" if hidden else f"stratum {label} of {unit}"
            figure = ComparedFigure(kind="stratum", table=unit, subject=subject, whole="the units")
            sampled = known[label].sampled if label in known else 0
            if not sampled and after.value > UNSAMPLED_SHARE * self.scale:
                self.compared += 1
                text = f"{subject} holds {format_share(after.value)} of the units, and the sample has none of them"
                self._add(figure, before, after, text, is_stale=True)
            else:
                self.compare_shares(figure, before, after)

    def _compare_columns(
        self, table: str, column: str, then: FrameColumn, now: FrameColumn, drawn: dt.datetime, unit: str
    ) -> None:
        place = f"{table}.{column}"
        nulls = ComparedFigure(kind="nulls", table=table, column=column, subject=f"NULL in {place}")
        self.compare_shares(nulls, then.nulls, now.nulls)
        if then.mean is not None and now.mean is not None:
            subject = f"the sum of {place} per row of {unit}"
            self.compare_means(
                ComparedFigure(kind="mean", table=table, column=column, subject=subject), then.mean, now.mean
            )
        for value, before in (then.values or {}).items():
            after = (now.values or {}).get(value)
            if after is not None:
                subject = f"{format_value(value)} in {place}"
                figure = ComparedFigure(kind="values", table=table, column=column, subject=subject)
                self.compare_shares(figure, before, after)
        if now.periods is not None:
            self._compare_periods(table, column, then.periods or {}, now.periods, drawn)

    def _compare_periods(
        self, table: str, column: str, then: Mapping[str, FrameFigure], now: Mapping[str, FrameFigure], drawn: dt.datetime
    ) -> None:  # fmt: skip
        none = FrameFigure(value=0.0, error=0.0)
        for month, before in then.items():
            if month >= f"{drawn:%Y-%m}":
                continue
            self.compared += 1
            after = now.get(month, none)
            lost = before.value - after.value
            if lost > PERIOD_LOSS * self.scale * before.value and _exceeds_errors(before, after):
                left = f"{format_number(int(after.value))} of {format_count(int(before.value), 'row')} are left"
                what = "is missing" if not after.value else f"shrank: {left}"
                figure = ComparedFigure(kind="period", table=table, column=column, subject=month)
                self._add(figure, before, after, f"{month} of {table}.{column} {what}")

    def _is_large_share(self, then: float, now: float) -> bool:
        change = abs(now - then)
        low, high = sorted((then, now))
        factor = 1 + (SHARE_FACTOR - 1) * self.scale
        return change > LARGE_SHARE * self.scale or (change > SMALL_SHARE * self.scale and high > factor * low)

    def _add(
        self, figure: ComparedFigure, then: FrameFigure, now: FrameFigure, message: str, *, is_stale: bool = False
    ) -> None:
        self.findings.append(
            DriftFinding(
                kind=figure.kind,
                table=figure.table,
                column=figure.column,
                message=message,
                is_stale=is_stale,
                then=then.value,
                now=now.value,
            )
        )


def judge_findings(findings: Sequence[DriftFinding]) -> DriftVerdict:
    """Return the verdict: ``stale`` if one finding alone makes it so.

    >>> judge_findings([])
    'fresh'
    """
    if any(finding.is_stale for finding in findings):
        return "stale"
    return "drifting" if findings else "fresh"


def build_share(part: int, whole: int) -> FrameFigure:
    """Return a share with its binomial standard error."""
    share = part / whole if whole else 0.0
    return FrameFigure(value=share, error=math.sqrt(share * (1 - share) / whole) if whole else 0.0)


def _exceeds_errors(then: FrameFigure, now: FrameFigure) -> bool:
    return abs(now.value - then.value) > ERRORS * math.hypot(then.error, now.error)


def _format_mean(value: float) -> str:
    return format_value(float(f"{value:.4g}"))
