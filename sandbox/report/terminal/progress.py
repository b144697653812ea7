"""Show progress on stderr: a bar on a terminal, one line per step elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
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


class RichProgress:
    """`sandbox.model.Progress` on a console; steps may be nested and may be advanced from other threads."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lock = threading.Lock()
        self._task_count = 0
        self._bars: Progress | None = None

    @contextlib.contextmanager
    def step(self, name: str, *, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
        """Show a step (see `sandbox.model.Progress.step`)."""
        if not self._console.is_terminal:
            self.print_message(name)
            yield lambda _: None
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
