"""How like production a sample is, in a few lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from sandbox.formatting import cut, many, visible
from sandbox.report.terminal import scan

if TYPE_CHECKING:
    from sandbox.manifest.profile import Column, Deviation, Profile

MOST_ROWS = 12  # of the report
WIDTH, HEIGHT = 200, 28  # of a chart
MOST = 5  # notable columns, and reasons; a few lines are enough
MOST_BROKEN = 3  # findings about production; there is a command for all of them
LEFT_OUT = "to compare them too: sandbox sample --profile"


def summary(profile: Profile) -> list[Text]:
    """Give the lines for a terminal: the verdict, what is notable or else least alike, and what was not compared."""
    return [
        Text(visible(line), style=style)
        for style, lines in (
            ("yellow" if profile.notable() else "", [headline(profile), *notable(profile)]),
            ("dim", left_out(profile)),
        )
        for line in lines
    ]


def broken(profile: Profile) -> list[Text]:
    """Give the lines of what looks broken in production, the most severe first; none where nothing does."""
    rest = len(profile.findings) - MOST_BROKEN
    more = [Text(f"sandbox scan shows {rest} more", style="dim")] if rest > 0 else []
    return [*(scan.line(one) for one in profile.findings[:MOST_BROKEN]), *more]


def headline(profile: Profile) -> str:
    """Give the verdict in one sentence.

    >>> from sandbox.manifest.profile import Profile
    >>> headline(Profile(whole=False, alpha=0.05, tables={}))
    'representative: no column could be compared'
    """
    compared, odd = profile.compared(), profile.notable()
    if not compared:
        return "representative: no column could be compared"
    columns = f"{many(len(compared), 'column')} compared"
    if odd:
        return f"not representative in every column: {columns}, {len(odd)} notable"
    least = next(((table, name, one) for table, name, one in compared if one.p is not None), None)
    if least is None:
        return f"representative: {columns}, none notable"
    if all(one.p == 1 for *_, one in compared if one.p is not None):
        return f"representative: {columns}, all of them equal to production's"
    return f"representative: {columns}, none notable; least alike: {sentence(*least)}"


def notable(profile: Profile) -> list[str]:
    """Give a line for each notable column, and what to do about them."""
    odd = profile.notable()
    if not odd:
        return []
    lines = [f"  {sentence(*one)}" for one in odd[:MOST]]
    if len(odd) > MOST:
        lines.append(f"  and {len(odd) - MOST} more")
    return [
        *lines,
        f"  about {profile.alpha * 100:.0f} % of all proper draws are called so; another salt would tell",
    ]


def left_out(profile: Profile) -> list[str]:
    """Give a line for each reason why tables were left out."""
    reasons: dict[str, list[str]] = {}
    for name, table in profile.tables.items():
        if table.reason is not None:
            reasons.setdefault(table.reason, []).append(name)
    lines = [f"not compared: {cut(', '.join(names), 100)}: {reason}" for reason, names in reasons.items()]
    return [*lines[:MOST], *([LEFT_OUT] if lines and not profile.whole else [])]


def sentence(table: str, name: str, column: Column) -> str:
    """Give the figure by which a column is least alike.

    >>> from sandbox.manifest.profile import Column, Deviation
    >>> nulls = Deviation(population=0.5, sample=0.25, error=0.1, z=-2.5, p=0.0124)
    >>> sentence("orders", "voucher", Column(kind="category", compared=True, nulls=nulls, p=0.0124))
    'orders.voucher NULL in 25 % instead of 50 % (p 0.012)'
    """
    label = f"the {name}" if column.kind == "children" else f"{table}.{name}"
    p, what = least_alike(column)
    return f"{label} {what} (p {probability(p)})" if what else label


def least_alike(column: Column) -> tuple[float, str]:
    """Give the smallest probability of a column's figures, and that figure in words."""
    figures: list[tuple[float, str]] = []
    if column.bins is not None:
        figures.append((column.bins.ks.p, f"KS {column.bins.ks.distance:.2g}"))
    if column.categories is not None:
        figures.append((column.categories.tv.p, f"TV {column.categories.tv.distance:.2g}"))
    if column.total is not None and column.total.p is not None:
        figures.append((column.total.p, f"total {_off(column.total)}"))
    if column.nulls is not None and column.nulls.p is not None:
        shares = f"NULL in {100 * column.nulls.sample:.3g} % instead of {100 * column.nulls.population:.3g} %"
        figures.append((column.nulls.p, shares))
    return min(figures, default=(1.0, ""))


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar of a chart, in its units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """A column as the report shows it: the sample's shares as bars, production's as the path of a line."""

    name: str
    found: str
    p: str
    adjusted: str
    bars: list[Bar]
    line: str


def shown(profile: Profile) -> list[Row]:
    """Give the columns that the report shows: the notable ones and the least alike, a screen of them at most."""
    return [
        _row(table, name, one)
        for table, name, one in profile.compared()[:MOST_ROWS]
        if one.p is not None and one.adjusted is not None
    ]


def _row(table: str, name: str, column: Column) -> Row:
    bars, line = chart(column)
    return Row(
        name=f"the {name}" if column.kind == "children" else f"{table}.{name}",
        found=least_alike(column)[1],
        p=probability(column.p if column.p is not None else 1.0),
        adjusted=probability(column.adjusted if column.adjusted is not None else 1.0),
        bars=bars,
        line=line,
    )


def chart(column: Column) -> tuple[list[Bar], str]:
    """Give the bars of the sample's shares and the path of production's, in a box of 200 by 28; empty for one bin.

    >>> from sandbox.manifest.profile import Categories, Column, Distance
    >>> tv = Distance(distance=0.25, p=0.01)
    >>> shares = Categories(values=["a", None], population=[0.5, 0.5], sample=[0.25, 0.75], tv=tv)
    >>> bars, line = chart(Column(kind="category", compared=True, categories=shares))
    >>> [bar.height for bar in bars], line
    ([9.3, 28.0], 'M0.0 9.3H100.0V9.3H200.0')
    """
    shares = column.bins or column.categories
    if shares is None or len(shares.sample) < 2:
        return [], ""
    most = max(*shares.population, *shares.sample)
    width = WIDTH / len(shares.sample)
    heights = [round(HEIGHT * share / most, 1) for share in shares.sample]
    bars = [
        Bar(
            x=round(index * width, 1), y=round(HEIGHT - height, 1), width=round(width * 0.9, 1), height=height
        )
        for index, height in enumerate(heights)
    ]
    levels = [round(HEIGHT * (1 - share / most), 1) for share in shares.population]
    steps = [f"{level}H{round((index + 1) * width, 1)}" for index, level in enumerate(levels)]
    return bars, "M0.0 " + "V".join(steps)


def probability(p: float) -> str:
    """Give a probability to two digits.

    >>> probability(0.2149), probability(1e-9), probability(1.0)
    ('0.21', 'below 0.0001', '1')
    """
    return "below 0.0001" if p < 1e-4 else f"{p:.2g}"


def _off(total: Deviation) -> str:
    if total.population == 0:
        return f"{total.sample:.3g} instead of 0"
    return f"{(total.sample - total.population) / abs(total.population):+.1%} off".replace("%", " %").replace(
        "-", "−"
    )
