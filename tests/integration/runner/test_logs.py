"""A run's log on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.runner.logs import BoundedLog, read_last_lines

if TYPE_CHECKING:
    from pathlib import Path


def test_short_log_is_kept_whole(tmp_path: Path) -> None:
    with BoundedLog(tmp_path / "log", cap=100) as log:
        for chunk in (b"a" * 30, b"b" * 30, b"c" * 30):
            log(chunk)
    assert (tmp_path / "log").read_bytes() == b"a" * 30 + b"b" * 30 + b"c" * 30
    assert not log.is_truncated


def test_long_log_keeps_beginning_and_end_and_says_what_is_left_out(tmp_path: Path) -> None:
    with BoundedLog(tmp_path / "log", cap=1000) as log:
        for number in range(10_000):
            log(f"{number:05}\n".encode())
    text = (tmp_path / "log").read_text()
    assert log.is_truncated
    assert text.startswith("00000\n00001\n")
    assert text.endswith("09998\n09999\n")
    kept = sum(len(line) + 1 for line in text.splitlines() if line.isdigit())
    assert "bytes left out" in text
    assert kept <= 2_000
    assert len(text) < 2_200


def test_last_lines_are_safe_to_print(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"first\n\x1b[31mred\x1b[0m\n 10 %\r 20 %\n\xff\xfe\n\n")
    assert read_last_lines(tmp_path / "log", count=3) == ["[31mred[0m", " 20 %", "\ufffd\ufffd"]
