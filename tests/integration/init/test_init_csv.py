"""``sandbox init`` and ``scan`` on CSV of everyday life: the settings that its files need, with the reason."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import TYPE_CHECKING, Any

from sandbox import suggest
from sandbox.config.project_file import load_project
from sandbox.model import SilentProgress
from sandbox.report.settings_file import ProjectContext, render_settings
from sandbox.scan.scan import scan_source
from sandbox.sources.checks.csv_notation import NULL_TEXTS

if TYPE_CHECKING:
    from pathlib import Path

LINES = "".join(
    f"{n};Käufer {n};{n % 28 + 1:02}.0{n % 9 + 1}.2024;{n}.{n % 900 + 100},5{n % 10};{n % 7 or '-'};{n % 4 or 'NA'};0{n}\n"
    for n in range(1, 200)
)
TEXT = "kunde_id;name;tag;betrag;punkte;gruppe;plz\n" + LINES


def propose(folder: Path) -> tuple[dict[str, Any], str]:
    """Give the proposed settings as a dict and as text."""
    proposal = suggest.build_proposal("data", base=folder, progress=SilentProgress())
    text = render_settings(proposal, ProjectContext(project="p", salt="s", production="main"))
    return tomllib.loads(text), text


def test_the_settings_of_csv_are_proposed_with_their_reasons_and_work_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kunden.csv").write_bytes(TEXT.encode("cp1252"))
    settings, text = propose(tmp_path)
    csv = settings["tables"]["kunden"]["csv"]
    assert csv == {
        "encoding": "cp1252", "decimal": ",", "thousands": ".", "null": {"punkte": ["-"], "gruppe": ["NA"]},
        "date_format": {"tag": "%d.%m.%Y"},
    }  # fmt: skip
    assert "# kunden.csv: line 2 is not UTF-8, and cp1252 decodes the file" in text
    assert "# punkte holds numbers beside -" in text
    assert settings["tables"]["kunden"]["key"] == ["kunde_id"]
    (tmp_path / "sandbox.toml").write_text(text.replace("rate = 1.0", 'rate = "50%"'), "utf-8")
    project = load_project(tmp_path / "sandbox.toml", start=tmp_path, environ={}, flags={})
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    document = scan_source(project, now=now, progress=SilentProgress())
    assert not [finding for finding in document.findings if finding.kind in {"notation", "unreadable"}]
    plain = text.replace("csv = {", "# csv = {")
    (tmp_path / "sandbox.toml").write_text(plain, "utf-8")
    (tmp_path / "data" / "kunden.csv").write_text(TEXT, "utf-8")
    project = load_project(tmp_path / "sandbox.toml", start=tmp_path, environ={}, flags={})
    document = scan_source(project, now=now, progress=SilentProgress())
    notes = {tuple(finding.columns): finding.message for finding in document.findings if finding.kind == "notation"}
    assert set(notes) == {("tag",), ("betrag",), ("punkte",), ("gruppe",)}
    assert 'betrag holds numbers, and is text without csv = { decimal = ",", thousands = "." }' in notes[("betrag",)]


def test_what_can_be_read_in_two_ways_or_is_text_has_no_setting(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = "".join(
        f'{n},0{n % 9 + 1}/0{n % 8 + 1}/2024,{NULL_TEXTS[n % 3]},1.5,x{n},"{n % 9 + 1},{n % 900 + 100}"\n'
        for n in range(1, 60)
    )
    (tmp_path / "data" / "t.csv").write_text("id,day,code,v,name,pair\n" + rows)
    settings, text = propose(tmp_path)
    assert "csv" not in settings["tables"]["t"]
    assert "csv =" not in text


def test_large_values_are_proposed_to_be_left_out_in_a_comment(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = "".join(f"{n},{'x' * 3000},y\n" for n in range(50))
    (tmp_path / "data" / "t.csv").write_text("id,page,note\n" + rows)
    settings, text = propose(tmp_path)
    assert '# leave_out = ["page"]' in text
    assert "leave_out" not in settings["tables"]["t"]
