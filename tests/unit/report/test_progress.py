from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from sandbox.report.terminal.progress import RichProgress
from tests.waiting import wait_until


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    target = io.StringIO()
    return Console(
        file=target, force_terminal=terminal, width=100, color_system=None if not terminal else "standard"
    ), target


def test_off_a_terminal_a_step_is_one_plain_line() -> None:
    to, target = console(terminal=False)
    progress = RichProgress(to)
    with progress.step("drawing [orders]", total=10, unit="rows") as advance:
        advance(5)
        with progress.step("inside"):
            progress.print_message("a \x1b[31mword\u202e")
    assert target.getvalue() == "drawing [orders]\ninside\na ⟨U+001B⟩[31mword⟨U+202E⟩\n"


def test_off_a_terminal_a_long_step_prints_a_line_again_and_again() -> None:
    to, target = console(terminal=False)
    seconds = [0.0]
    progress = RichProgress(to, clock=lambda: seconds[0], line_seconds=0.01)
    with progress.step("downloading", total=2e9, unit="bytes") as advance:
        advance(5e8)
        seconds[0] = 20.0
        wait_until(lambda: target.getvalue().count("downloading: 500.0 MB of 2.0 GB, 20.0 s so far\n") >= 2)
        with progress.step("building"):
            seconds[0] = 98.0
            wait_until(lambda: "building: " in target.getvalue())
    ended = target.getvalue()
    with progress.step("another"):
        wait_until(lambda: "another: " in target.getvalue())
    assert "downloading" not in target.getvalue().removeprefix(ended)


def test_on_a_terminal_nested_steps_show_how_far_they_are() -> None:
    to, target = console(terminal=True)
    seconds = [0.0]
    progress = RichProgress(to, clock=lambda: seconds[0])
    with (
        progress.step("outer", total=1000, unit="rows") as advance,
        progress.step("inner [x]", total=2e9, unit="bytes"),
    ):
        advance(250)
        seconds[0] += 1.2
        wait_until(lambda: "left" in target.getvalue())
        progress.print_message("still here")
    shown = target.getvalue()
    assert "250 of 1,000 rows" in shown
    assert "left" in shown
    assert "2.0 GB" in shown
    assert "inner [x]" in shown
    assert "still here" in shown
    assert "✓ outer 1.2 s" in re.sub(r"\x1b\[[\d;]*m", "", shown)


def test_steps_in_several_threads_end_well() -> None:
    to, target = console(terminal=True)
    progress = RichProgress(to)

    def work(name: str) -> None:
        with progress.step(name, total=3) as advance:
            for _ in range(3):
                advance(1)

    threads = [threading.Thread(target=work, args=(f"step {place}",)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with progress.step("afterwards"):
        pass
    assert "\x1b[?25h" in target.getvalue()  # the cursor is shown again


def test_a_step_that_fails_leaves_the_terminal_in_order() -> None:
    to, target = console(terminal=True)
    progress = RichProgress(to)
    with pytest.raises(KeyError), progress.step("failing"):
        raise KeyError("x")
    assert "✓" not in target.getvalue()
    assert target.getvalue().rstrip().endswith("\x1b[2K") or "\x1b[?25h" in target.getvalue()
