"""A sample of real tables, against a computation in plain Python from the specification of the rule."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.model import SilentProgress
from sandbox.samples.verify import verify_sample

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample
    from tests.integration.sampler.conftest import Read
    from tests.projects import SourceProject

P = 2**31 - 1
CHILDREN = (
    "Salaries", "BattingPost", "PitchingPost", "AwardsPlayers", "CollegePlaying", "HallOfFame", "AllstarFull",
)  # fmt: skip
WITH_TEAMS = ("Salaries", "BattingPost", "PitchingPost", "AllstarFull")
TEAM = ("yearID", "lgID", "teamID")

Row = dict[str, str | None]


def sections(rate: float = 0.2) -> str:
    children = "".join(
        f'[tables.{name}]\nreferences = {{ playerID = "People.playerID" }}\n'
        + (
            f'[[tables.{name}.reference]]\ncolumns = {list(TEAM)}\ntable = "Teams"\nkey = {list(TEAM)}\n'
            * (name in WITH_TEAMS)
        )
        for name in CHILDREN
        if name != "CollegePlaying"
    )
    return f"""
[sample]
salt = "spring"
unit = "People"
strata = [{{column = "birthCountry", rare_below = 200}}, "throws"]
rate = {rate}
[tables.People]
key = ["playerID"]
[tables.People.mask]
nameFirst = "none"
nameLast = "none"
nameGiven = "none"
[tables.CollegePlaying]
references = {{ playerID = "People.playerID", schoolID = "Schools.schoolID" }}
{children}
[tables.Teams]
key = {list(TEAM)}
references = {{ franchID = "TeamsFranchises.franchID" }}
[tables.TeamsFranchises]
key = ["franchID"]
[tables.Schools]
key = ["schoolID"]
keep = "referenced"
"""


def source(folder: Path, table: str) -> list[Row]:
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(file)]


def hashed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def number(key: str) -> int:
    c = [hashed(f"spring/People/{index}") % P for index in range(6)]
    k = hashed(key)
    x = ((k & P) + ((k >> 31) & P) * c[4] % P + ((k >> 62) & 3) * c[5] % P) % P
    return (((((c[3] * x + c[2]) % P) * x + c[1]) % P) * x + c[0]) % P


def labelled(people: list[Row]) -> dict[str, tuple[str, str]]:
    """Give each player's stratum."""
    countries = Counter(row["birthCountry"] for row in people)

    def country(name: str | None) -> str:
        return "-" if name is None else name if countries[name] >= 200 else "rare"

    return {str(row["playerID"]): (country(row["birthCountry"]), row["throws"] or "-") for row in people}


def expected_players(people: list[Row], rate: float) -> tuple[set[str], dict[tuple[str, str], float]]:
    strata = labelled(people)
    sizes = Counter(strata.values())
    m_star = 30 + 4.5 + 3 * math.sqrt(32.25)
    chances = {one: 1.0 if n <= m_star else min(1.0, max(m_star / n, rate)) for one, n in sizes.items()}
    limits = {one: P if p == 1 else max(1, math.floor(p * P + 0.5)) for one, p in chances.items()}
    chosen = {player for player, stratum in strata.items() if number(player) < limits[stratum]}
    weights = Counter(strata[player] for player in chosen)
    return chosen, {stratum: sizes[stratum] / count for stratum, count in weights.items()}


def comparable(cell: Any) -> Any:
    """Give a cell so that ``0.50`` and 0.5 agree."""
    try:
        return None if cell is None else float(cell)
    except ValueError:
        return cell


def bag(rows: list[Any]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(comparable(cell) for cell in row) for row in rows)


def sampled(read: Read, sample: Sample, table: str) -> list[tuple[Any, ...]]:
    return read(sample, table, "columns(*)::varchar")


@pytest.fixture
def drawn(place: SourceProject, baseball: Path) -> tuple[Sample, SampleManifest]:
    place.source.rmdir()
    place.source.symlink_to(baseball)
    return place.draw(sections())


def test_the_sample_is_what_the_specification_says(
    drawn: tuple[Sample, SampleManifest], baseball: Path, read: Read
) -> None:
    sample, manifest = drawn
    people = source(baseball, "People")
    chosen, weights = expected_players(people, 0.2)
    assert 0.2 < len(chosen) / len(people) < 0.24
    assert bag(sampled(read, sample, "People")) == bag([row.values() for row in people if row["playerID"] in chosen])
    for table in CHILDREN:
        rows = [row.values() for row in source(baseball, table) if row["playerID"] in chosen]
        assert bag(sampled(read, sample, table)) == bag(rows)
        assert manifest.tables[table].role == "child"
    schools = {row["schoolID"] for row in source(baseball, "CollegePlaying") if row["playerID"] in chosen}
    wanted = [row.values() for row in source(baseball, "Schools") if row["schoolID"] in schools]
    assert bag(sampled(read, sample, "Schools")) == bag(wanted)
    for table in ("Teams", "TeamsFranchises"):
        assert bag(sampled(read, sample, table)) == bag([row.values() for row in source(baseball, table)])
        assert manifest.tables[table].keep == "all"

    unit = manifest.units["People"]
    strata = Counter(labelled(people).values())
    found = {
        tuple(
            "-" if value is None else "rare" if isinstance(value, dict) else str(value)
            for value in (one.values["birthCountry"], one.values["throws"])
        ): one
        for one in unit.strata
    }
    assert {label: one.population for label, one in found.items()} == strata
    assert {label: one.population / one.sampled for label, one in found.items()} == pytest.approx(weights)


def test_dangling_references_are_counted_as_the_tables_have_them(
    drawn: tuple[Sample, SampleManifest], baseball: Path
) -> None:
    tables = drawn[1].tables
    found = {(name, one.table): (one.dangling, one.nulls) for name, table in tables.items() for one in table.references}
    assert found[("CollegePlaying", "Schools")] == (10, 0)
    assert found[("AllstarFull", "Teams")] == (139, 1)
    others = {pair: counts for pair, counts in found.items() if counts != (0, 0)}
    assert set(others) == {("CollegePlaying", "Schools"), ("AllstarFull", "Teams")}
    assert all(one.checked == "source" and one.holds_in_sample for t in tables.values() for one in t.references)
    schools = {row["schoolID"] for row in source(baseball, "Schools")}
    missing = sorted({row["schoolID"] or "" for row in source(baseball, "CollegePlaying")} - schools)
    examples = next(one.examples for one in tables["CollegePlaying"].references if one.table == "Schools")
    assert examples == [[school] for school in missing[:5]]
    assert all(tables[name].outside_frame == 0 for name in CHILDREN)


def test_threads_and_splits_and_shuffles_change_nothing(
    place: SourceProject, drawn: tuple[Sample, SampleManifest], baseball: Path
) -> None:
    fingerprint = drawn[0].fingerprint
    assert place.draw(sections(), threads=1)[0].fingerprint == fingerprint
    place.source.unlink()
    place.source.mkdir()
    for path in baseball.glob("*.csv"):
        header, *rows = path.read_text("utf-8").splitlines(keepends=True)
        rows.sort(key=lambda row: hashlib.md5(row.encode()).digest())
        for part in range(3):
            place.write(f"{path.stem}/{part}.csv", header + "".join(rows[part::3]))
    again, _ = place.draw(sections())
    assert again.fingerprint == fingerprint


def test_a_higher_rate_keeps_every_player(
    place: SourceProject, drawn: tuple[Sample, SampleManifest], read: Read
) -> None:
    fewer = {row[0] for row in read(drawn[0], "People", "playerID")}
    more, _ = place.draw(sections(0.35))
    players = {row[0] for row in read(more, "People", "playerID")}
    assert fewer < players


def test_what_is_drawn_verifies(drawn: tuple[Sample, SampleManifest]) -> None:
    assert verify_sample(drawn[0].path, SilentProgress()) == []
