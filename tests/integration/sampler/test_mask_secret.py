"""Where the secret of the masks comes from, and who may read it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sandbox.errors import ConfigError
from sandbox.masking import Secret, load_secret
from sandbox.masking.secret import SECRET_FILE_VARIABLE, SECRET_VARIABLE
from sandbox.model import SilentProgress
from sandbox.store.secret_environment import read_secret_variable, remove_secret_variables
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "0123456789abcdef" * 4


class Told(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def print_message(self, message: str) -> None:
        self.lines.append(message)


def test_a_secret_is_made_once_for_its_owner_alone_and_announced_once(tmp_path: Path) -> None:
    told = Told()
    first = load_secret(tmp_path / "home", progress=told)
    assert load_secret(tmp_path / "home", progress=told) == first
    place = tmp_path / "home" / "mask.key"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert len(place.read_text().strip()) == 64
    assert len(told.lines) == 1
    assert str(place) in told.lines[0]
    assert "share" in told.lines[0]
    assert place.read_text().strip() not in told.lines[0]
    assert load_secret(tmp_path / "another") != first


def test_processes_at_the_same_time_agree_on_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sandbox.masking import load_secret; "
        "print(load_secret(Path(sys.argv[1])).id)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "home")],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(4)
    ]
    ids = {one.communicate(timeout=PATIENCE_SECONDS)[0] for one in running}
    assert len(ids) == 1
    assert len(ids.pop().strip()) == 16


def test_the_environment_and_a_file_come_before_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "team.key"
    place.write_text(f"{TEXT}\n")
    place.chmod(0o600)
    monkeypatch.setenv(SECRET_FILE_VARIABLE, str(place))
    assert load_secret(tmp_path / "home") == Secret.from_text(TEXT)
    assert not (tmp_path / "home").exists()
    monkeypatch.delenv(SECRET_FILE_VARIABLE)
    monkeypatch.setenv(SECRET_VARIABLE, TEXT)
    assert load_secret(tmp_path / "home") == Secret.from_text(TEXT)
    monkeypatch.setenv(SECRET_FILE_VARIABLE, str(place))
    with pytest.raises(ConfigError, match="are both set"):
        load_secret(tmp_path / "home")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    place = tmp_path / "team.key"
    place.write_text(TEXT)
    place.chmod(mode)
    monkeypatch.setenv(SECRET_FILE_VARIABLE, str(place))
    with pytest.raises(ConfigError, match=f"mode {mode:o}") as caught:
        load_secret(tmp_path / "home")
    assert caught.value.hint == f"chmod 600 '{place}'"


def test_ones_own_file_is_watched_too(tmp_path: Path) -> None:
    load_secret(tmp_path)
    (tmp_path / "mask.key").chmod(0o644)
    with pytest.raises(ConfigError, match="others can read it"):
        load_secret(tmp_path)


def test_a_file_in_the_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "project" / "conf" / "team.key"
    place.parent.mkdir(parents=True)
    place.write_text(TEXT)
    place.chmod(0o600)
    monkeypatch.setenv(SECRET_FILE_VARIABLE, str(place))
    with pytest.raises(ConfigError, match="could be committed"):
        load_secret(tmp_path / "home", root=tmp_path / "project")


@pytest.mark.parametrize("text", ["hunter2", "x" * 31, "   " + "x" * 31 + "\n"])
def test_a_short_secret_is_refused_and_not_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, text)
    with pytest.raises(ConfigError, match="too short") as caught:
        load_secret(tmp_path)
    assert text.strip() not in caught.value.message + caught.value.hint


def test_a_file_that_is_no_text_is_refused_without_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "team.key"
    place.write_bytes(b"\xff\xfe" * 40)
    place.chmod(0o600)
    monkeypatch.setenv(SECRET_FILE_VARIABLE, str(place))
    with pytest.raises(ConfigError, match="cannot be read as text") as caught:
        load_secret(tmp_path / "home")
    assert caught.value.__cause__ is None


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_FILE_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="is not there"):
        load_secret(tmp_path / "home")


def test_a_secret_does_not_show_itself() -> None:
    made = Secret.from_text(TEXT)
    assert TEXT not in repr(made)
    assert made.key.hex() not in repr(made)
    assert made.id in repr(made)
    assert made.id not in made.key.hex()
    assert Secret.from_text(f" {TEXT}\n") == made


def test_withheld_variables_are_known_here_and_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.store.secret_environment._withheld_values", {})
    monkeypatch.setenv(SECRET_VARIABLE, TEXT)
    remove_secret_variables()
    assert read_secret_variable(SECRET_VARIABLE) == TEXT
    seen = subprocess.run(
        [sys.executable, "-c", "import os; print(*os.environ)"], capture_output=True, text=True, check=True
    )
    assert SECRET_VARIABLE not in seen.stdout
