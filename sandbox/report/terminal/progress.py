"""Show progress on stderr: a bar on a terminal; elsewhere a line for each step, and another every few seconds."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from sandbox.formatting import escape_hidden, format_duration, format_number, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.progress import TaskID
    from rich.progress_bar import ProgressBar

_MIN_SECONDS = 1.0  # seconds; shorter steps print no line
LINE_SECONDS = 8.0  # between two lines off a terminal, where silence of 10 s looks like a hang


class RichProgress:
    """`sandbox.model.Progress` on a console; steps may be nested and may be advanced from other threads."""

    def __init__(
        self, console: Console, *, clock: Callable[[], float] = time.monotonic, line_seconds: float = LINE_SECONDS
    ) -> None:
        self._console = console
        self._clock = clock
        self._lines = _StepLines(self.print_message, clock, line_seconds)
        self._lock = threading.Lock()
        self._task_count = 0
        self._bars: Progress | None = None

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        """Show a step (see `sandbox.model.Progress.step`)."""
        if not self._console.is_terminal:
            self.print_message(name)
            with self._lines.show_step(name, total, unit) as advance:
                yield advance
            return
        started = self._clock()
        bars = self._start_task()
        task = bars.add_task(escape_hidden(name), total=total, unit=unit)
        try:
            yield lambda amount: bars.advance(task, amount)
        except BaseException:
            self._finish_task(bars, task)
            raise
        self._finish_task(bars, task)
        if (seconds := self._clock() - started) >= _MIN_SECONDS:
            self._print_line(
                Text.assemble(
                    ("✓ ", "green"),
                    escape_hidden(name),
                    (f" {format_duration(seconds)}", "dim"),
                )
            )

    def print_message(self, message: str) -> None:
        """Print one permanent line."""
        self._print_line(Text(escape_hidden(message)))

    def _print_line(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _start_task(self) -> Progress:
        with self._lock:
            if self._bars is None:
                self._bars = Progress(
                    SpinnerColumn(),
                    TextColumn("{task.description}", markup=False),
                    _StepBarColumn(),
                    _TimeLeftColumn(),
                    console=self._console,
                    transient=True,
                    get_time=self._clock,
                )
                self._bars.start()
            self._task_count += 1
            return self._bars

    def _finish_task(self, bars: Progress, task: TaskID) -> None:
        with self._lock:
            bars.remove_task(task)
            self._task_count -= 1
            if self._task_count == 0:
                bars.stop()
                self._bars = None


@dataclass
class _RunningStep:
    """A step off a terminal."""

    name: str
    total: float | None
    unit: str
    started: float
    done: float = 0.0

    def describe(self, now: float) -> str:
        """Return a line with the amount done so far, or how long it takes already."""
        elapsed = format_duration(now - self.started)
        if self.total is None:
            return f"{self.name}: {elapsed} so far"
        unit = "" if self.unit == "bytes" else f" {self.unit}"
        done, total = _format_amount(self.done, self.unit), _format_amount(self.total, self.unit)
        return f"{self.name}: {done} of {total}{unit}, {elapsed} so far"


class _StepLines:
    """Prints a line about the innermost running step at regular intervals, from a thread that lives while steps run."""

    def __init__(self, print_line: Callable[[str], None], clock: Callable[[], float], seconds: float) -> None:
        self._print_line = print_line
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._running: list[_RunningStep] = []
        self._ended: threading.Event | None = None

    @contextlib.contextmanager
    def show_step(self, name: str, total: float | None, unit: str) -> Iterator[Callable[[float], None]]:
        """Print lines about a step during the block, and yield the function that advances it."""
        step = _RunningStep(name=name, total=total, unit=unit, started=self._clock())

        def advance(amount: float) -> None:
            with self._lock:
                step.done += amount

        with self._lock:
            self._running.append(step)
            if self._ended is None:
                self._ended = threading.Event()
                threading.Thread(target=self._print_lines, args=(self._ended,), daemon=True).start()
        try:
            yield advance
        finally:
            with self._lock:
                self._running.remove(step)
                if not self._running and self._ended is not None:
                    self._ended.set()
                    self._ended = None

    def _print_lines(self, ended: threading.Event) -> None:
        while not ended.wait(self._seconds):
            with self._lock:  # so that no line follows the end of its step
                if not ended.is_set():
                    self._print_line(self._running[-1].describe(self._clock()))


class _StepBarColumn(ProgressColumn):
    """A bar for steps of known length."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = BarColumn(bar_width=24)

    def render(self, task: Task) -> ProgressBar | Text:
        return Text() if task.total is None else self._bar.render(task)


class _TimeLeftColumn(ProgressColumn):
    """The progress, and soon the remaining time; the elapsed time if the end is unknown."""

    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        if task.total is None:
            return Text(format_duration(elapsed) if elapsed >= _MIN_SECONDS else "", "dim")
        unit = str(task.fields["unit"])
        done = f"{_format_amount(task.completed, unit)} of {_format_amount(task.total, unit)}{'' if unit == 'bytes' else ' ' + unit}"
        if elapsed < _MIN_SECONDS or not task.completed or task.completed >= task.total:
            return Text(done, "dim")
        left = elapsed * (task.total - task.completed) / task.completed
        return Text(f"{done}, {format_duration(left)} left", "dim")


def _format_amount(amount: float, unit: str) -> str:
    return format_size(int(amount)) if unit == "bytes" else format_number(int(amount))
