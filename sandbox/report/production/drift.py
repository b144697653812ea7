"""Describe the age of a sample and its last check."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sandbox.formatting import format_age, format_count

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument
    from sandbox.manifest.production.drift import DriftCheck


def describe_check(check: DriftCheck) -> str:
    """Return one sentence: the verdict, the sample's age, and the number of figures."""
    age = format_age(check.drawn, now=dt.datetime.fromisoformat(check.checked))
    found = format_count(len(check.findings), "finding")
    return f"{check.verdict}: the sample was drawn {age}; {found} in {format_count(check.compared, 'figure')}"


def describe_age(drawn: str, checked: str | None, verdict: str | None, *, now: str | None = None) -> str:
    """Return a sample's age and its last check, at a time (None for the present).

    >>> describe_age("2026-01-01T00:00:00+00:00", None, None, now="2026-01-03T00:00:00+00:00")
    'drawn 2 days ago, never compared with production since'
    """
    moment = None if now is None else dt.datetime.fromisoformat(now)
    last = "never compared with production since"
    if checked is not None:
        last = f"{verdict} {format_age(checked, now=moment)}"
    return f"drawn {format_age(drawn, now=moment)}, {last}"


def describe_sample(document: DiffDocument) -> str | None:
    """Return the age and the last check of a diff's sample when it was compared; None for two plain tables."""
    sample = document.sample
    if sample is None:
        return None
    return describe_age(sample.drawn, sample.checked, sample.drift, now=document.created)


def describe_old_sample(document: DiffDocument) -> str | None:
    """Return the same (see `describe_sample`); None for a sample of the same day that was never checked."""
    sample = document.sample
    if sample is None:
        return None
    age = dt.datetime.fromisoformat(document.created) - dt.datetime.fromisoformat(sample.drawn)
    return describe_sample(document) if sample.checked is not None or age >= dt.timedelta(days=1) else None
