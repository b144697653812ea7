"""`sandbox report`, and what lies beside the report."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from jsonschema import validate

if TYPE_CHECKING:
    from tests.projects import Shop

SCHEMA = json.loads((Path(__file__).parents[2] / "templates" / "diff.schema.json").read_text("utf-8"))


def test_report_gives_the_last_one_and_lists_all(shop: Shop) -> None:
    none = shop.run("report")
    assert none.status == 13
    assert "sandbox diff" in none.stderr
    assert shop.run("report", "--list", "--json").json["reports"] == []

    first = shop.run("diff", "--json").json
    shop.edit("pipeline.py", "count(order_id)", "count(*)")
    second = shop.run("diff", "--json").json
    for document in (first, second):
        validate(document, SCHEMA)
        assert document == json.loads(Path(document["report"]).with_name("diff.json").read_text("utf-8"))
        assert document["baseline"]["output_bytes"] > 0
        assert document["baseline"]["bytes_written"] is not None

    assert shop.run("report").stdout.strip() == second["report"]
    assert shop.run("report", first["id"][:24]).stdout.strip() == first["report"]
    listed = shop.run("report", "--list", "--json").json["reports"]
    assert [(one["id"], one["verdict"]) for one in listed] == [
        (second["id"], "outside_gate"),
        (first["id"], "same"),
    ]
    assert "outside the gate" in shop.run("report", "--list").stdout
    assert shop.run("report", "nothing").status == 2

    suites = ET.parse(Path(second["report"]).with_name("junit.xml")).getroot()
    failed = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert failed == ["changed_rows"]

    Path(second["report"]).unlink()
    missing = shop.run("report")
    assert "report.html is missing" in missing.stderr
    assert "open another: sandbox report --list" in missing.stderr
    Path(second["report"]).with_name("diff.json").write_text("{")
    damaged = shop.run("report")
    assert damaged.status == 13
    assert second["id"] in damaged.stderr
    assert "make it again: sandbox diff" in damaged.stderr
    assert shop.run("report", "--list", "--json").json["damaged"].keys() == {second["id"]}


def test_report_opens_the_browser_on_a_terminal(shop: Shop, tmp_path: Path) -> None:
    page = shop.run("diff", "--json").json["report"]
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    terminal, inside = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "report"],
        cwd=shop.root,
        env=shop.environment | {"BROWSER": str(browser)},
        stdout=inside,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(inside)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "opened").read_text().strip() == Path(page).as_uri()


def test_without_values_the_error_of_a_failed_pipeline_quotes_nothing_it_printed(shop: Shop) -> None:
    shop.edit("pipeline.py", "import os\n", "import os\n\nraise ValueError('secret@example.org')\n")
    plain, hidden = shop.run("diff"), shop.run("diff", "--no-values", "--json")
    assert (plain.status, hidden.status) == (15, 15)
    assert "secret@example.org" in plain.stderr
    assert "secret" not in hidden.stdout + hidden.stderr
    assert "its last lines are not shown" in hidden.json["error"]["message"]
    assert "stderr.log" in hidden.json["error"]["hint"]


def test_without_values_the_error_of_an_output_that_cannot_be_read_quotes_nothing_either(shop: Shop) -> None:
    other = "import os\n\nprint('secret@example.org')\n"
    other += "open(os.environ['SANDBOX_OUTPUT'] + '/other.csv', 'w').write('a,b\\n1,2\\n')\n"
    shop.edit("pipeline.py", "import os\n", other)
    shop.edit("sandbox.toml", "[outputs.value]", '[outputs.other]\npath = "other.csv"\n[outputs.value]')
    shop.git("commit", "-qam", "another output")
    shop.edit("pipeline.py", "1,2\\n", "1,2\\n3,secret@example.org,5\\n")
    plain, hidden = shop.run("diff"), shop.run("diff", "--no-values", "--json")
    assert (plain.status, hidden.status) == (15, 15)
    assert "secret@example.org" in plain.stderr
    assert "secret" not in hidden.stdout + hidden.stderr
    assert "other cannot be read" in hidden.json["error"]["message"]
