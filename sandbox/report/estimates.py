"""What a change would do to production, in the words and pictures of every report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.formatting import NOTHING, change, cut, many, number, share

if TYPE_CHECKING:
    from sandbox.manifest.diff import DiffDocument, Estimate, Figure, OutputDiff

CAVEAT = (
    "95 % is over draws: of a hundred samples with other salts, about 95 would have intervals that hold the truth. One salt "
    "always misses the same units, and of many intervals some are wrong."
)
_SENTENCES = 3
_COLUMNS = 8
_NAME = 60  # characters of an output's name


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An interval as a picture: places along its width, in percent."""

    zero: float
    low: float
    estimate: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """One figure of an output: what it is, what was found, and its interval drawn (None where it has none)."""

    what: str
    found: str
    interval: str
    picture: Drawn | None


def sentence(output: OutputDiff) -> str | None:
    """Give the estimate in a sentence; None where nothing is estimated."""
    estimate = output.estimate
    units = estimate.units_affected
    if estimate.status != "estimated" or units is None or units.estimate is None:
        return None
    if not units.sample:
        return _nothing(output)
    unit, population = estimate.unit or "units", estimate.population or 0
    part = share(units.estimate / population) if population else NOTHING
    if units.status == "exact":
        start = f"In production {number(round(units.estimate))} of {about(population)} {unit} ({part})"
    else:
        start = f"In production about {about(round(units.estimate))} of {about(population)} {unit} ({part}{_between(units, population)})"
    total = _total(output)
    return f"{start} would {_get(output)}{f'; {total}' if total else ''}."


def reason(output: OutputDiff) -> str | None:
    """Give why nothing is estimated; None where something is."""
    return output.estimate.reason if output.estimate.status != "estimated" else None


def lines(document: DiffDocument, ordered: list[tuple[str, OutputDiff]]) -> list[str]:
    """Give the sentences of a short report: of the outputs that differ, the worst first; else what would have been seen."""
    differing = [(name, output) for name, output in ordered if not output.same]
    said = [
        f"{cut(name, _NAME)}: {text}" for name, output in differing if (text := sentence(output)) is not None
    ]
    if said or differing:
        left = len(said) - _SENTENCES
        more = [f"{many(left, 'more estimate')} in the report"] if left > 0 and document.report else []
        return said[:_SENTENCES] + more
    return [text for _, output in ordered if (text := sentence(output)) is not None][:1]


def unseen(equal: list[tuple[str, OutputDiff]]) -> list[str]:
    """Give what it means that outputs do not differ: each sentence once, with the outputs that it is true of."""
    said: dict[str, list[str]] = {}
    for name, output in equal:
        why = reason(output)
        text = sentence(output) or (f"Not estimated for production: {why}." if why else None)
        if text is not None:
            said.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in said.items()]


def any_estimated(document: DiffDocument) -> bool:
    """True where some output has an estimate."""
    return any(output.estimate.status == "estimated" for output in document.outputs.values())


def notes(output: OutputDiff) -> list[str]:
    """Give what the figures of one output do not count."""
    estimate, unit = output.estimate, output.estimate.unit or "units"
    if estimate.status != "estimated":
        return []
    said = []
    left = estimate.left_out
    if left is not None and (left.baseline or left.candidate):
        differing = f", {number(left.different)} of which differ" if left.different else ""
        said.append(
            f"left out: {many(left.baseline, 'row')} of the baseline and {number(left.candidate)} of the candidate{differing}, "
            f"which name none of the {unit} that were drawn"
        )
    if estimate.outside:
        counted = [
            f"{'an unknown number' if count is None else number(count)} of {table}"
            for table, count in estimate.outside.items()
        ]
        said.append(
            f"no figure counts production's rows that belong to none of the {unit}: {', '.join(counted)}"
        )
    return said


def figures(output: OutputDiff) -> list[Line]:
    """Give the figures of one output, those of columns by how much they change."""
    estimate = output.estimate
    if (
        estimate.status != "estimated"
        or estimate.units_affected is None
        or not estimate.units_affected.sample
    ):
        return []
    counts: list[tuple[str, Figure]] = [
        (f"{estimate.unit} affected", estimate.units_affected),
        ("rows added", estimate.rows_added),
        ("rows removed", estimate.rows_removed),
        ("rows changed", estimate.rows_changed),
    ]
    given = [
        Line(what=what, found=about(round(found.estimate)), interval=_interval(found), picture=picture(found))
        for what, found in counts
        if found.estimate
    ]
    for name in _moved(estimate)[:_COLUMNS]:
        total, mean = estimate.totals[name], estimate.means.get(name)
        given.append(_line(f"total of {name}", total.change, before=total.baseline))
        if mean is not None and mean.change.estimate:
            given.append(_line(f"mean of {name}", mean.change, before=mean.baseline))
    return given


def picture(figure: Figure) -> Drawn | None:
    """Give an interval's places between 0 and its far end.

    >>> from sandbox.manifest.diff import Figure
    >>> picture(Figure(status="estimated", estimate=5.0, low=4.0, high=6.0))
    Drawn(zero=4.0, low=65.3, estimate=80.7, high=96.0)
    """
    if figure.estimate is None or figure.low is None or figure.high is None or figure.low == figure.high:
        return None
    least, most = min(figure.low, 0.0), max(figure.high, 0.0)
    if not math.isfinite(most - least):
        return None

    def place(at: float) -> float:
        return round(4 + 92 * (at - least) / (most - least), 1)

    return Drawn(
        zero=place(0.0), low=place(figure.low), estimate=place(figure.estimate), high=place(figure.high)
    )


def about(count: float | None) -> str:
    """Give a count with three digits, millions in short.

    >>> about(41283.4), about(1_234_567), about(7.6), about(999_700), about(None)
    ('41,300', '1.23 M', '7.6', '1 M', '–')
    """
    if count is None:
        return NOTHING
    if abs(count) < 100:
        return f"{count:.3g}".replace("-", "−")
    rounded = float(f"{count:.3g}")
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(rounded) >= size:
            return f"{rounded / size:.3g} {letter}".replace("-", "−")
    return f"{rounded:,.0f}".replace("-", "−")


def within(estimate: float, half: float) -> str:
    """Give an amount and half its interval, to two digits of the latter.

    >>> within(182_345.6, 20_987.0), within(0.123456, 0.0045), within(-3.0, 0.0)
    ('182,000 ± 21,000', '0.1235 ± 0.0045', '3')
    """
    size = abs(estimate)
    if half <= 0 or not math.isfinite(half):
        return change(size).lstrip("+−")
    return f"{to_digits(size, half)} ± {to_digits(half, half)}"


def to_digits(amount: float, half: float) -> str:
    """Give an amount to the place where half its interval has its second digit.

    >>> to_digits(-182_345.6, 20_987.0), to_digits(0.5, 1e-20)
    ('−182,000', '0.5')
    """
    digits = 1 - math.floor(math.log10(float(f"{half:.1e}")))
    text = f"{abs(amount):.4g}" if digits > 12 else f"{round(abs(amount), digits):,.{max(digits, 0)}f}"
    return ("−" if amount < 0 else "") + text


def _nothing(output: OutputDiff) -> str:
    """Give what it means that no sampled unit is affected."""
    estimate = output.estimate
    units, unit = estimate.units_affected, estimate.unit or "units"
    assert units is not None
    where = "No difference" if output.same else f"No difference in rows of the {unit} that were drawn"
    if units.status == "exact":
        return f"{where}, in all {number(estimate.population or 0)} {unit}."
    if units.high is None:
        return f"{where}."
    return (
        f"{where}; a change that affects more than {number(int(units.high))} {unit} "
        "would have been seen with 95 % probability."
    )


def _between(units: Figure, population: int) -> str:
    if units.low is None or units.high is None or not population:
        return ""
    low, high = share(units.low / population), share(units.high / population)
    return f", 95 %: {low.removesuffix(' %')} to {high}"


def _get(output: OutputDiff) -> str:
    """Give what happens to a unit."""
    rows = output.rows
    changed = [
        name for name, column in output.columns.items() if column.changed and name not in output.tainted
    ]
    if len(changed) == 1 and not rows.added and not rows.removed:
        name = changed[0].replace("_", " ")
        return f"get {'other' if name.endswith('s') else 'another'} {name}"
    if (rows.changed and changed) or (rows.added and rows.removed):
        return "get other rows"
    return "get further rows" if rows.added else "lose rows" if rows.removed else "be affected"


def _total(output: OutputDiff) -> str:
    """Give the change of the total that matters most; empty where none changes."""
    moved = _moved(output.estimate)
    if not moved:
        return ""
    name = moved[0]
    found = output.estimate.totals[name].change
    assert found.estimate is not None
    what = (
        "the total"
        if sum(bool(one.changed) for one in output.columns.values()) == 1
        else f"the total of {name}"
    )
    if found.low is None or found.high is None:
        return f"too few of them were drawn to say how far {what} moves"
    verb = "falls" if found.estimate < 0 else "rises"
    doubt = ", probably more" if found.status == "probably_too_narrow" else ""
    return f"{what} {verb} by {within(found.estimate, (found.high - found.low) / 2)}{doubt}"


def _moved(estimate: Estimate) -> list[str]:
    """Give the columns whose total changes: those with an interval first, then by the share of the total."""

    def weight(name: str) -> tuple[bool, float, str]:
        total = estimate.totals[name]
        return total.change.low is None, -abs(total.relative.estimate or 0.0), name

    return sorted((name for name, total in estimate.totals.items() if total.change.estimate), key=weight)


def _line(what: str, figure: Figure, *, before: Figure) -> Line:
    of = f" of {about(before.estimate)}" if before.estimate is not None else ""
    amount = change(figure.estimate)
    half = _half(figure)
    if half and figure.estimate:
        amount = ("+" if figure.estimate > 0 else "") + to_digits(figure.estimate, half)
    return Line(
        what=what, found=f"{amount}{of}", interval=_interval(figure, half=half), picture=picture(figure)
    )


def _half(figure: Figure) -> float | None:
    """Give half the width of an interval; None where there is none, or it has no width."""
    if figure.low is None or figure.high is None or not 0 < figure.high - figure.low < math.inf:
        return None
    return (figure.high - figure.low) / 2


def _interval(figure: Figure, *, half: float | None = None) -> str:
    if figure.status == "exact":
        return "exact: every unit was drawn"
    if figure.low is None and figure.high is None:
        return "no interval: too few units"
    low, high = (
        to_digits(limit, half) if half and limit is not None else about(limit and round(limit))
        for limit in (figure.low, figure.high)
    )
    text = f"at least {low}" if figure.high is None else f"{low} to {high}"
    return text + (", probably wider" if figure.status == "probably_too_narrow" else "")
