"""Answers for public sources, which are fetched by hand; their data are not here.

| name | source |
|---|---|
| chinook | the SQLite file of lerocha/chinook-database, each table as CSV |
| baseball | the Lahman tables of the tests |
"""

from __future__ import annotations

from benchmarks.init.schemas import MUSIC, KnownSource

_PLAYER_TABLES = (
    "AllstarFull",
    "AwardsPlayers",
    "BattingPost",
    "CollegePlaying",
    "HallOfFame",
    "PitchingPost",
    "Salaries",
)
_TEAM_TABLES = ("AllstarFull", "BattingPost", "PitchingPost", "Salaries")

CHINOOK = KnownSource(
    keys=MUSIC.keys,
    references=MUSIC.references,
    units=("Customer",),
    personal=frozenset({
        "Customer.FirstName", "Customer.LastName", "Customer.Address", "Customer.Phone", "Customer.Fax", "Customer.Email",
        "Employee.FirstName", "Employee.LastName", "Employee.BirthDate", "Employee.Address", "Employee.Phone", "Employee.Fax",
        "Employee.Email", "Invoice.BillingAddress", "Track.Composer",
    }),
)  # fmt: skip

BASEBALL = KnownSource(
    keys={
        "People": ("playerID",), "Schools": ("schoolID",), "TeamsFranchises": ("franchID",), "Teams": ("yearID", "teamID"),
        "BattingPost": ("yearID", "round", "playerID"), "CollegePlaying": ("playerID", "schoolID", "yearID"),
        "HallOfFame": ("playerID", "yearID", "votedBy"), "PitchingPost": ("playerID", "yearID", "round"),
        "Salaries": ("yearID", "teamID", "playerID"),
    },
    references={
        **{f"{name}.playerID": "People.playerID" for name in _PLAYER_TABLES},
        **{f"{name}.yearID+teamID": "Teams.yearID+teamID" for name in _TEAM_TABLES},
        "Teams.franchID": "TeamsFranchises.franchID", "CollegePlaying.schoolID": "Schools.schoolID",
    },
    units=("People",),
    personal=frozenset({"People.nameFirst", "People.nameLast", "People.nameGiven"}),
)  # fmt: skip

ANSWERS = {"chinook": CHINOOK, "baseball": BASEBALL}
