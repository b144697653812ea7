"""Real tables with real flaws, a pipeline at two commits in Docker, and every count of the diff computed again by hand."""

from __future__ import annotations

import shutil
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tests.projects import Shop, create_shop

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = (
    """\
version = 1

[project]
name = "baseball"

[source]
uri = "core/"

[sample]
salt = "lahman"
unit = "People"
strata = [{ column = "birthCountry", rare_below = 200 }, "throws"]
rate = 0.2

[tables.People]
key = ["playerID"]
[tables.People.mask]
nameFirst = "none"
nameLast = "none"
nameGiven = "none"

[tables.Teams]
key = ["yearID", "lgID", "teamID"]
references = { franchID = "TeamsFranchises.franchID" }
keep = "all"

[tables.TeamsFranchises]
key = ["franchID"]

[tables.Schools]
key = ["schoolID"]
keep = "referenced"

[tables.AwardsPlayers]
references = { playerID = "People.playerID" }

[tables.HallOfFame]
references = { playerID = "People.playerID" }

[tables.CollegePlaying]
references = { playerID = "People.playerID", schoolID = "Schools.schoolID" }
"""
    + "".join(
        f"""
[tables.{table}]
references = {{ playerID = "People.playerID" }}
[[tables.{table}.reference]]
columns = ["yearID", "lgID", "teamID"]
table = "Teams"
key = ["yearID", "lgID", "teamID"]
"""
        for table in ("Salaries", "BattingPost", "PitchingPost", "AllstarFull")
    )
    + """
[stack.limits]
cpus = 2
memory = "1GB"
timeout = "2m"

[pipeline]
command = "python careers.py"
"""
)

CAREERS = """\
import os

import duckdb

sample, output = (os.environ[name].replace("'", "''") for name in ("SANDBOX_SAMPLE", "SANDBOX_OUTPUT"))


def write(name, query):
    duckdb.sql(f"copy ({query}) to '{output}/{name}.parquet'")


write("career_earnings", f\"\"\"
    select playerID, count(distinct yearID) as seasons, sum(salary) as earnings
    from '{sample}/Salaries/*.parquet' group by playerID order by playerID\"\"\")
write("post_season", f\"\"\"
    select playerID, round, sum(H) as hits, sum(AB + BB + coalesce(SF, 0)) as appearances
    from '{sample}/BattingPost/*.parquet' group by playerID, round order by playerID, round\"\"\")
"""

CHANGES = [("sum(salary)", "sum(salary) filter (lgID = 'AL')"), ("coalesce(SF, 0)", "SF")]


Careers = dict[tuple[str, ...], tuple[int, int | None]]


@pytest.fixture
def careers(tmp_path: Path, baseball: Path, sandbox_home: Path) -> Shop:
    files = {"sandbox.toml": SETTINGS, "careers.py": CAREERS, ".gitignore": "core/\n"}
    made = create_shop(tmp_path / "baseball", sandbox_home, files)
    (made.root / "core").mkdir()
    for file in baseball.glob("*.csv"):
        shutil.copyfile(file, made.root / "core" / file.name)
    for change in CHANGES:
        made.edit("careers.py", *change)
    made.git("commit", "-am", "count what is known")
    return made


def rows(sample: Path, table: str) -> list[dict[str, Any]]:
    return [
        row for file in sorted((sample / "tables" / table).glob("*.parquet")) for row in pq.read_table(file).to_pylist()
    ]


def earnings(sample: Path, leagues: set[str]) -> Careers:
    paid: dict[str, list[int]] = defaultdict(list)
    seasons: dict[str, set[int]] = defaultdict(set)
    for row in rows(sample, "Salaries"):
        seasons[row["playerID"]].add(row["yearID"])
        if row["lgID"] in leagues:
            paid[row["playerID"]].append(row["salary"])
    return {(player,): (len(years), sum(paid[player]) if paid[player] else None) for player, years in seasons.items()}


def appearances(sample: Path, *, unknown_is_zero: bool) -> Careers:
    hits: dict[tuple[str, ...], int] = defaultdict(int)
    known: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row in rows(sample, "BattingPost"):
        key = (row["playerID"], row["round"])
        hits[key] += row["H"]
        if row["SF"] is not None or unknown_is_zero:
            known[key].append(row["AB"] + row["BB"] + (row["SF"] or 0))
    return {key: (count, sum(known[key]) if known[key] else None) for key, count in hits.items()}


@pytest.mark.docker
def test_diff_of_two_commits_says_what_an_independent_computation_says(careers: Shop, engine: str) -> None:
    done = careers.run("diff", "--baseline", "main~1", "--candidate", "main", "--json", env={"SANDBOX_RUNTIME": engine})
    assert done.status == 1, done.stderr
    document = done.json
    assert document["environment"]["runtime"] == "docker"
    assert document["environment"]["isolated"]
    sample = careers.home / "samples" / document["sample"]["fingerprint"]
    assert set(document["sample"]["units"]) == {"People"}

    for name, column, before, after in (
        ("career_earnings", "earnings", earnings(sample, {"AL", "NL"}), earnings(sample, {"AL"})),
        (
            "post_season",
            "appearances",
            appearances(sample, unknown_is_zero=True),
            appearances(sample, unknown_is_zero=False),
        ),
    ):
        changed = [key for key in before if before[key] != after[key]]
        output = document["outputs"][name]
        assert before.keys() == after.keys()
        assert output["rows"] == {
            "baseline": len(before), "candidate": len(after), "added": 0, "removed": 0,
            "changed": len(changed), "unchanged": len(before) - len(changed), "noise": 0, "rounding": 0,
            "largest_rounding": None,
        }  # fmt: skip
        assert output["columns"][column]["changed"] == len(changed) > 0
        assert output["columns"][column]["to_null"] == sum(after[key][1] is None for key in changed)
        assert output["columns"][column]["match_rate"] == pytest.approx(1 - len(changed) / len(before))
        players = {key[0] for key in changed}
        assert output["estimate"]["units_affected"]["sample"] == len(players)
        assert output["estimate"]["unit"] == "People"
        pairs = [(before[key][1], after[key][1]) for key in changed]
        moved = [late - early for early, late in pairs if early is not None and late is not None]
        if moved:
            assert output["columns"][column]["total_change"] == pytest.approx(sum(moved))
