"""Strata of every kind, counted and selected, against plain Python; and again from other files, orders and threads."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.config.project_file import load_project
from sandbox.engine.duckdb.session import Session, quote_identifier
from sandbox.model import SilentProgress
from sandbox.sampler.plan.frame import prepare_frame
from sandbox.sampler.plan.planner import plan_sample
from sandbox.sources.registry import build_select
from tests.headers import HEADER

if TYPE_CHECKING:
    from sandbox.sampler.plan.plan import SamplePlan

P = 2**31 - 1
Row = dict[str, Any]
Label = Callable[[Row], Any]

SCHEMA = pa.schema(
    {
        "id": pa.string(), "cat": pa.string(), "num": pa.float64(), "whole": pa.int32(), "day": pa.date32(),
        "flag": pa.bool_(), "region": pa.int64(),
    }
)  # fmt: skip

REGIONS = {1: ("north", 10), 2: ("south", 20), 3: ("north", 30), 4: (None, None)}
ZONES = {10: "inner", 20: "outer"}
DAYS = [dt.date(2024, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 3, 1), dt.date(1969, 12, 31)]


def rows_of(draw: st.DataObject) -> list[Row]:
    number = st.one_of(st.none(), st.just(math.nan), st.sampled_from([-1.5, 0.0, -0.0, 0.5, 2.0, 1e300, math.inf]))
    row = st.fixed_dictionaries(
        {
            "cat": st.sampled_from([None, "", "a", "b", "B", "é'"]),
            "num": number,
            "whole": st.one_of(st.none(), st.integers(-3, 12)),
            "day": st.sampled_from([None, *DAYS]),
            "flag": st.sampled_from([None, True, False]),
            "region": st.sampled_from([None, 1, 2, 3, 4, 9]),
        }
    )
    found = draw.draw(st.lists(row, min_size=1, max_size=60))
    return [{"id": f"k{index}", **one} for index, one in enumerate(found)]


def counts(value: Any) -> bool:
    """Say whether a value is neither NULL nor NaN."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def binned(value: Any, edges: list[Any], shown: Callable[[Any], Any] = lambda edge: edge) -> Any:
    if not counts(value):
        return None if value is None else "nan"
    ends = [None, *edges, None]
    index = sum(value >= edge for edge in edges)
    low, high = ends[index : index + 2]
    return {"from": None if low is None else shown(low), "to": None if high is None else shown(high)}


def quantiles(values: list[Any], count: int) -> list[Any]:
    there = sorted(value for value in values if counts(value))
    edges = set()
    for step in range(1, count):
        wanted = Fraction(step * len(there), count)
        ways = [
            (abs(sum(one < value for one in there) - wanted), value) for value in sorted(set(there)) if value > there[0]
        ]
        edges |= {min(ways)[1]} if ways else set()
    return sorted(edges)


def shown_float(value: float | None) -> Any:
    if value is None:
        return None
    return value + 0.0 if math.isfinite(value) else str(value)


def labels_for(way: str, rows: list[Row]) -> Label:
    common = {one for one, n in Counter(row["cat"] for row in rows).items() if n >= 4}
    edges = {
        "num quantiles": quantiles([row["num"] for row in rows], 3),
        "whole quantiles": quantiles([row["whole"] for row in rows], 4),
    }
    ways: dict[str, Label] = {
        "cat": lambda row: row["cat"],
        "rare": lambda row: row["cat"] if row["cat"] is None or row["cat"] in common else {"rare_below": 4},
        "num": lambda row: shown_float(row["num"]),
        "num bins": lambda row: binned(row["num"], [0.0, 0.5, 3.0]),
        "num quantiles": lambda row: binned(row["num"], edges["num quantiles"], shown_float),
        "whole bins": lambda row: binned(row["whole"], [0, 3]),
        "whole quantiles": lambda row: binned(row["whole"], edges["whole quantiles"]),
        "day bins": lambda row: binned(row["day"], [DAYS[0], DAYS[2]], str),
        "flag": lambda row: row["flag"],
        "region": lambda row: REGIONS.get(row["region"], (None,))[0],
        "zone": lambda row: ZONES.get(REGIONS.get(row["region"], (None, None))[1] or 0),
    }
    return ways[way]


ENTRIES = {
    "cat": '"cat"', "rare": '{column = "cat", rare_below = 4}', "num": '"num"',
    "num bins": '{column = "num", bins = [0, 0.5, 3]}', "num quantiles": '{column = "num", quantiles = 3}',
    "whole bins": '{column = "whole", bins = [-0.5, 3]}', "whole quantiles": '{column = "whole", quantiles = 4}',
    "day bins": '{column = "day", bins = [2024-01-01, "2024-03-01"]}', "flag": '"flag"', "region": '"regions.name"',
    "zone": '"zones.title"',
}  # fmt: skip
NAMES = {
    "cat": "cat", "rare": "cat", "num": "num", "num bins": "num", "num quantiles": "num", "whole bins": "whole",
    "whole quantiles": "whole", "day bins": "day", "flag": "flag", "region": "regions.name", "zone": "zones.title",
}  # fmt: skip
FRAMES: dict[str, Callable[[Row], bool]] = {
    "": lambda _: True,
    "whole > 2 or cat = 'a'": lambda row: (row["whole"] or 0) > 2 or row["cat"] == "a",
    "day < date '2024-03-01'": lambda row: row["day"] is not None and row["day"] < DAYS[2],
}


def hashed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def number(key: str) -> int:
    c = [hashed(f"s/units/{index}") % P for index in range(6)]
    k = hashed(key)
    x = ((k & P) + ((k >> 31) & P) * c[4] % P + ((k >> 62) & 3) * c[5] % P) % P
    return (((((c[3] * x + c[2]) % P) * x + c[1]) % P) * x + c[0]) % P


def chance(population: int, rate: float, minimum: int) -> float:
    safe = minimum + 4.5 + 3 * math.sqrt(minimum + 2.25)
    floor = 0.0 if minimum == 0 else 1.0 if population <= safe else safe / population
    return min(1.0, max(floor, rate))


@dataclass(frozen=True, kw_only=True)
class Case:
    rows: list[Row]
    ways: list[str]
    where: str
    rate: float
    minimum: int

    @property
    def toml(self) -> str:
        where = f'where = "{self.where}"\n' if self.where else ""
        return f"""{HEADER}
[sample]
salt = "s"
unit = "units"
strata = [{", ".join(ENTRIES[way] for way in self.ways)}]
rate = {self.rate}
min_per_stratum = {self.minimum}
[tables.units]
key = ["id"]
references = {{ region = "regions.id" }}
{where}[tables.regions]
references = {{ zone = "zones.id" }}
[tables.zones]
"""


def planned(root: Path, case: Case, files: list[list[Row]], threads: int) -> tuple[SamplePlan, list[tuple[Any, ...]]]:
    source = root / f"{len(files)}-{threads}"
    for index, part in enumerate(files):
        target = source / "source" / "units" / f"{index}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(part, SCHEMA), target)
    regions = [{"id": key, "name": name, "zone": zone} for key, (name, zone) in REGIONS.items()]
    pq.write_table(pa.Table.from_pylist(regions), source / "source" / "regions.parquet")
    zones = [{"id": key, "title": title} for key, title in ZONES.items()]
    pq.write_table(pa.Table.from_pylist(zones), source / "source" / "zones.parquet")
    file = source / "sandbox.toml"
    file.write_text(case.toml, "utf-8")
    plan = plan_sample(
        load_project(file, start=source, environ={}, flags={}), threads=threads, progress=SilentProgress()
    )
    with Session(threads=threads) as session:
        frame = prepare_frame(session, plan.tables, plan.units["units"])
        table = plan.tables["units"]
        session.execute(f"create view units as {build_select(table)}")
        found = frame.build_sample_query("units", table.columns)
        rows = session.fetch_rows(
            f"select id, {quote_identifier(frame.stratum)}, {quote_identifier(frame.unit)} from ({found}) order by 1"
        )
    return plan, rows


def key_of(value: Any) -> str:
    return repr(sorted(value.items())) if isinstance(value, dict) else repr(value)


@given(
    data=st.data(),
    ways=st.lists(st.sampled_from(list(ENTRIES)), max_size=3, unique_by=lambda way: NAMES[way]),
    where=st.sampled_from(list(FRAMES)),
    rate=st.sampled_from([0.05, 0.3, 0.9]),
    minimum=st.sampled_from([0, 1, 3]),
)
@settings(max_examples=20)
def test_counts_and_selection_are_those_of_plain_python_whatever_the_layout(
    data: st.DataObject, ways: list[str], where: str, rate: float, minimum: int
) -> None:
    rows = rows_of(data)
    frame = [row for row in rows if FRAMES[where](row)]
    if not frame:
        frame, where = rows, ""
    case = Case(rows=rows, ways=ways, where=where, rate=rate, minimum=minimum)
    labels = [labels_for(way, frame) for way in ways]
    strata = {row["id"]: {NAMES[way]: label(row) for way, label in zip(ways, labels, strict=True)} for row in frame}
    sizes = Counter(key_of(one) for one in strata.values())
    limits = {}
    for one, size in sizes.items():
        probability = chance(size, rate, minimum)
        limits[one] = P if probability == 1 else max(1, math.floor(probability * P + 0.5))
    expected = sorted(key for key, one in strata.items() if number(key) < limits[key_of(one)])

    shuffled = list(rows)
    random.Random(len(rows)).shuffle(shuffled)
    with TemporaryDirectory() as folder:
        plan, found = planned(Path(folder), case, [rows], 1)
        again, same = planned(Path(folder), case, [part for part in (shuffled[::2], shuffled[1::2]) if part], 2)
    unit = plan.units["units"]
    assert {key_of(unit.describe_stratum(one)): one.population for one in unit.strata} == sizes
    assert {key_of(unit.describe_stratum(one)): one.threshold for one in unit.strata} == limits
    assert unit.outside == len(rows) - len(frame)
    assert [row[0] for row in found] == expected
    assert all(unit.describe_stratum(unit.strata[row[1]]) == strata[row[0]] for row in found)
    assert all(row[2] == hashed(row[0]) for row in found)
    assert again.units == plan.units
    assert same == found
