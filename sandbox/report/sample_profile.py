"""Summarize in a few lines how representative a sample is of production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from sandbox.formatting import escape_hidden, format_count, truncate_text
from sandbox.report.terminal import scan

if TYPE_CHECKING:
    from sandbox.manifest.profile import DeviationRecord, ProfiledColumn, SampleProfile

MAX_CHART_ROWS = 12  # of the report, maximum
CHART_WIDTH, CHART_HEIGHT = 200, 28  # of a chart
MAX_LINES = 5  # maximum number of lines for notable columns and for reasons
MAX_FINDINGS = 3  # maximum number of findings about production; a command shows all
FULL_PROFILE_HINT = "to compare them too: sandbox sample --profile"


def render_summary(profile: SampleProfile) -> list[Text]:
    """Render the lines for a terminal: the verdict, notable or least similar columns, and skipped tables."""
    return [
        Text(escape_hidden(line), style=style)
        for style, lines in (
            (
                "yellow" if profile.list_notable_columns() else "",
                [summarize_profile(profile), *describe_notable_columns(profile)],
            ),
            ("dim", describe_skipped_tables(profile)),
        )
        for line in lines
    ]


def render_findings(profile: SampleProfile) -> list[Text]:
    """Render the lines on suspicious data in production, the most severe first; empty without findings."""
    hidden_count = len(profile.findings) - MAX_FINDINGS
    more = [Text(f"sandbox scan shows {hidden_count} more", style="dim")] if hidden_count > 0 else []
    return [*(scan.render_finding(finding) for finding in profile.findings[:MAX_FINDINGS]), *more]


def summarize_profile(profile: SampleProfile) -> str:
    """Return the verdict in one sentence.

    >>> from sandbox.manifest.profile import SampleProfile
    >>> summarize_profile(SampleProfile(whole=False, alpha=0.05, tables={}))
    'representative: no column could be compared'
    """
    compared, odd = profile.list_compared_columns(), profile.list_notable_columns()
    if not compared:
        return "representative: no column could be compared"
    columns = f"{format_count(len(compared), 'column')} compared"
    if odd:
        return f"not representative in every column: {columns}, {len(odd)} notable"
    least = next(((table, name, column) for table, name, column in compared if column.p is not None), None)
    if least is None:
        return f"representative: {columns}, none notable"
    if all(column.p == 1 for *_, column in compared if column.p is not None):
        return f"representative: {columns}, all of them equal to production's"
    return f"representative: {columns}, none notable; least alike: {describe_column(*least)}"


def describe_notable_columns(profile: SampleProfile) -> list[str]:
    """Return one line for each notable column, and a suggestion."""
    odd = profile.list_notable_columns()
    if not odd:
        return []
    lines = [f"  {describe_column(*entry)}" for entry in odd[:MAX_LINES]]
    if len(odd) > MAX_LINES:
        lines.append(f"  and {len(odd) - MAX_LINES} more")
    return [
        *lines,
        f"  about {profile.alpha * 100:.0f} % of all proper draws are called so; another salt would tell",
    ]


def describe_skipped_tables(profile: SampleProfile) -> list[str]:
    """Return one line for each reason for skipped tables."""
    reasons: dict[str, list[str]] = {}
    for name, table in profile.tables.items():
        if table.reason is not None:
            reasons.setdefault(table.reason, []).append(name)
    lines = [f"not compared: {truncate_text(', '.join(names), 100)}: {reason}" for reason, names in reasons.items()]
    return [*lines[:MAX_LINES], *([FULL_PROFILE_HINT] if lines and not profile.whole else [])]


def describe_column(table: str, name: str, column: ProfiledColumn) -> str:
    """Return the least similar figure of a column as text.

    >>> from sandbox.manifest.profile import ProfiledColumn, DeviationRecord
    >>> nulls = DeviationRecord(population=0.5, sample=0.25, error=0.1, z=-2.5, p=0.0124)
    >>> describe_column("orders", "voucher", ProfiledColumn(kind="category", compared=True, nulls=nulls, p=0.0124))
    'orders.voucher NULL in 25 % instead of 50 % (p 0.012)'
    """
    label = f"the {name}" if column.kind == "children" else f"{table}.{name}"
    p, what = find_least_similar_figure(column)
    return f"{label} {what} (p {format_probability(p)})" if what else label


def find_least_similar_figure(column: ProfiledColumn) -> tuple[float, str]:
    """Find the smallest probability among a column's figures; return it with that figure as text."""
    figures: list[tuple[float, str]] = []
    if column.bins is not None:
        figures.append((column.bins.ks.p, f"KS {column.bins.ks.distance:.2g}"))
    if column.categories is not None:
        figures.append((column.categories.tv.p, f"TV {column.categories.tv.distance:.2g}"))
    if column.total is not None and column.total.p is not None:
        figures.append((column.total.p, f"total {_format_deviation(column.total)}"))
    if column.nulls is not None and column.nulls.p is not None:
        shares = f"NULL in {100 * column.nulls.sample:.3g} % instead of {100 * column.nulls.population:.3g} %"
        figures.append((column.nulls.p, shares))
    return min(figures, default=(1.0, ""))


@dataclass(frozen=True, kw_only=True)
class ChartBar:
    """A bar of a chart, in the chart's units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """A column in the report: the sample's shares as bars, production's as the path of a line."""

    name: str
    figure: str
    p: str
    adjusted: str
    bars: list[ChartBar]
    line: str


def build_profile_rows(profile: SampleProfile) -> list[ProfileRow]:
    """Build the rows of notable and least similar columns, at most one screen."""
    return [
        _build_row(table, name, column)
        for table, name, column in profile.list_compared_columns()[:MAX_CHART_ROWS]
        if column.p is not None and column.adjusted is not None
    ]


def _build_row(table: str, name: str, column: ProfiledColumn) -> ProfileRow:
    bars, line = build_chart(column)
    return ProfileRow(
        name=f"the {name}" if column.kind == "children" else f"{table}.{name}",
        figure=find_least_similar_figure(column)[1],
        p=format_probability(column.p if column.p is not None else 1.0),
        adjusted=format_probability(column.adjusted if column.adjusted is not None else 1.0),
        bars=bars,
        line=line,
    )


def build_chart(column: ProfiledColumn) -> tuple[list[ChartBar], str]:
    """Build bars of the sample's shares and the path of production's, in a box of 200 by 28; empty for one bin.

    >>> from sandbox.manifest.profile import CategoricalDistribution, ProfiledColumn, DistanceRecord
    >>> tv = DistanceRecord(distance=0.25, p=0.01)
    >>> shares = CategoricalDistribution(values=["a", None], population=[0.5, 0.5], sample=[0.25, 0.75], tv=tv)
    >>> bars, line = build_chart(ProfiledColumn(kind="category", compared=True, categories=shares))
    >>> [bar.height for bar in bars], line
    ([9.3, 28.0], 'M0.0 9.3H100.0V9.3H200.0')
    """
    shares = column.bins or column.categories
    if shares is None or len(shares.sample) < 2:
        return [], ""
    most = max(*shares.population, *shares.sample)
    width = CHART_WIDTH / len(shares.sample)
    heights = [round(CHART_HEIGHT * share / most, 1) for share in shares.sample]
    bars = [
        ChartBar(
            x=round(index * width, 1),
            y=round(CHART_HEIGHT - height, 1),
            width=round(width * 0.9, 1),
            height=height,
        )
        for index, height in enumerate(heights)
    ]
    levels = [round(CHART_HEIGHT * (1 - share / most), 1) for share in shares.population]
    steps = [f"{level}H{round((index + 1) * width, 1)}" for index, level in enumerate(levels)]
    return bars, "M0.0 " + "V".join(steps)


def format_probability(p: float) -> str:
    """Return a probability with two significant digits.

    >>> format_probability(0.2149), format_probability(1e-9), format_probability(1.0)
    ('0.21', 'below 0.0001', '1')
    """
    return "below 0.0001" if p < 1e-4 else f"{p:.2g}"


def _format_deviation(total: DeviationRecord) -> str:
    if total.population == 0:
        return f"{total.sample:.3g} instead of 0"
    return f"{(total.sample - total.population) / abs(total.population):+.1%} off".replace("%", " %").replace("-", "−")
