"""Projects on real tables, drawn by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.headers import build_header

if TYPE_CHECKING:
    from pathlib import Path

BASEBALL_TABLES = ("People", "AwardsPlayers", "Salaries", "Teams")
BASEBALL = (
    build_header("core/")
    + """
[sample]
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
keep = "referenced"
[tables.AwardsPlayers]
references = { playerID = "People.playerID" }
[tables.Salaries]
references = { playerID = "People.playerID" }
[[tables.Salaries.reference]]
columns = ["yearID", "lgID", "teamID"]
table = "Teams"
key = ["yearID", "lgID", "teamID"]
"""
)


def sampled(project: Path, home: Path) -> dict[str, Any]:
    """Draw by the command, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "sample", "--json"],
        cwd=project,
        env={**os.environ, "SANDBOX_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "what libraries say is nobody's business"
    found: dict[str, Any] = json.loads(done.stdout)
    return found
