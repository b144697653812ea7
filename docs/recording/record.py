"""Record the demo in a terminal and write docs/demo.svg: ``make recording``.

The picture is animated by CSS alone. It shows its last frame to readers who prefer reduced motion, and where CSS
animations do not run.
"""

from __future__ import annotations

import argparse
import fcntl
import html
import itertools
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLUMNS, ROWS = 100, 42
COMMAND = ("sandbox", "demo", "shop")
SHORTEST_GAP = 2.0  # seconds of the run between two frames that differ only in a spinner, a bar or a number
LONGEST_FRAME = 0.25  # seconds for which a frame is shown
LAST_FRAME = 10.0
CHARACTER_WIDTH, LINE_HEIGHT, FONT_SIZE, BASELINE = 8.4, 18, 14, 13
PADDING, TITLE_HEIGHT = 14, 34
COLOURS = {
    "1": "b",
    "2": "d",
    "31": "red",
    "32": "green",
    "33": "yellow",
    "34": "blue",
    "35": "magenta",
    "36": "cyan",
    "38;5;197": "bar",
    "38;5;237": "empty",
    "38;5;70": "green",
}
STYLE = """\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6dae0;white-space:pre}
.b{font-weight:bold}.d{fill:#8b949e}.red{fill:#ff7b72}.green{fill:#7ee787}.yellow{fill:#e3b341}.blue{fill:#79c0ff}
.magenta{fill:#d2a8ff}.cyan{fill:#76e3ea}.bar{fill:#f778ba}.empty{fill:#484f58}.title{fill:#8b949e}"""

ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


@dataclass(frozen=True)
class Event:
    """Text that the terminal received, with its time in seconds since the start."""

    seconds: float
    text: str


@dataclass(frozen=True)
class Frame:
    """The terminal at one time: per row, the segments (column, classes, text)."""

    seconds: float
    rows: tuple[tuple[tuple[int, str, str], ...], ...]


@dataclass
class Terminal:
    """A screen of rows and columns that interprets the few escape sequences of progress bars and colours."""

    cells: list[list[tuple[str, str]]] = field(default_factory=lambda: [[] for _ in range(ROWS)])
    row: int = 0
    column: int = 0
    classes: str = ""

    def write(self, text: str) -> None:
        """Write text and escape sequences at the cursor."""
        position = 0
        for match in ESCAPE.finditer(text):
            self._write_plain(text[position : match.start()])
            self._apply_escape(match[1], match[2])
            position = match.end()
        self._write_plain(text[position:])

    def _write_plain(self, text: str) -> None:
        for character in text:
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self._move_down()
            else:
                if self.column == COLUMNS:
                    self.column = 0
                    self._move_down()
                line = self.cells[self.row]
                line.extend([(" ", "")] * (self.column + 1 - len(line)))
                line[self.column] = (character, self.classes)
                self.column += 1

    def _move_down(self) -> None:
        if self.row == ROWS - 1:
            self.cells = [*self.cells[1:], []]
        else:
            self.row += 1

    def _apply_escape(self, parameters: str, kind: str) -> None:
        if kind == "m":
            if parameters in {"", "0"}:
                self.classes = ""
            else:
                parts = [parameters] if parameters.startswith("38;") else parameters.split(";")
                names = [COLOURS[part] for part in parts if part in COLOURS]
                self.classes = " ".join(dict.fromkeys([*self.classes.split(), *names]))
        elif kind == "K":
            start = 0 if parameters == "2" else self.column
            self.cells[self.row] = self.cells[self.row][:start]
        elif kind == "A":
            self.row = max(0, self.row - int(parameters or 1))

    def take_frame(self, seconds: float) -> Frame:
        """Return the screen as a frame."""
        return Frame(seconds, tuple(tuple(_find_segments(line)) for line in self.cells))


def _find_segments(line: list[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """Return the runs of equal style, without blank ones."""
    segments: list[tuple[int, str, str]] = []
    start = 0
    for column in range(1, len(line) + 1):
        if column == len(line) or line[column][1] != line[start][1]:
            text = "".join(character for character, _ in line[start:column])
            if text.strip():
                indent = len(text) - len(text.lstrip())
                segments.append((start + indent, line[start][1], text.strip()))
            start = column
    return segments


def capture_run(command: tuple[str, ...], folder: Path) -> list[Event]:
    """Run a command in a terminal of its own and return what it wrote.

    Raises:
        subprocess.CalledProcessError: The command failed.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR"}}
    environment |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    start = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=follower, stdout=follower, stderr=follower, close_fds=True
    )
    os.close(follower)
    events = []
    pending = b""
    while data := _read_terminal(leader):
        pending += data
        text = pending.decode("utf-8", "ignore")
        if text.encode("utf-8") == pending and not re.search(r"\x1b\[?[0-9;?]*$", text):  # nothing is cut in two
            events.append(Event(time.monotonic() - start, text))
            pending = b""
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, output="".join(e.text for e in events))
    return events


def _read_terminal(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # the last process has closed the terminal
        return b""


def choose_frames(events: list[Event]) -> list[Frame]:
    """Return the frames worth showing: every new line, and spinners and bars at intervals."""
    terminal = Terminal()
    terminal.write(f"\x1b[32m$\x1b[0m \x1b[1m{shlex.join(COMMAND)}\x1b[0m\r\n")
    frames = [terminal.take_frame(0)]
    shown = _describe_frame(frames[0])
    for event in events:
        terminal.write(event.text)
        frame = terminal.take_frame(event.seconds)
        if _describe_frame(frame) != shown or frame.seconds - frames[-1].seconds >= SHORTEST_GAP:
            frames.append(frame)
            shown = _describe_frame(frame)
    return [*frames, terminal.take_frame(events[-1].seconds)]


def _describe_frame(frame: Frame) -> str:
    """Return the text of a frame without spinners, bars, times and numbers."""
    text = "\n".join(" ".join(segment for *_, segment in row) for row in frame.rows)
    return re.sub(r"[\d.,\u2800-\u28ff━╸╺]|\b(?:ms|s|min|left|[kMG]?B)\b|\s", "", text)


def render_svg(frames: list[Frame]) -> str:
    """Return the animation of the frames."""
    width = round(COLUMNS * CHARACTER_WIDTH) + 2 * PADDING
    height = ROWS * LINE_HEIGHT
    lines: dict[tuple[tuple[int, str, str], ...], int] = {}
    strip = []
    for index, frame in enumerate(frames):
        for row, segments in enumerate(frame.rows):
            if segments:
                number = lines.setdefault(segments, len(lines))
                strip.append(f'<use href="#l{number}" y="{index * height + row * LINE_HEIGHT}"/>')
    definitions = [
        f'<g id="l{number}">{"".join(map(_render_segment, segments))}</g>' for segments, number in lines.items()
    ]
    shown = [min(LONGEST_FRAME, b.seconds - a.seconds) for a, b in itertools.pairwise(frames)]
    total = sum(shown) + LAST_FRAME
    starts = [sum(shown[:index]) / total * 100 for index in range(len(frames))]
    steps = "".join(f"{start:.3f}%{{transform:translateY(-{index * height}px)}}" for index, start in enumerate(starts))
    last = (len(frames) - 1) * height
    title = f"{shlex.join(COMMAND)}: {frames[-1].seconds:.0f} s, shown in {sum(shown):.0f} s"
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + TITLE_HEIGHT + PADDING}" role="img">
<title>A recording of {html.escape(shlex.join(COMMAND))} in a terminal</title>
<style>
{STYLE}
.film{{transform:translateY(-{last}px);animation:play {total:.1f}s step-end infinite}}
@keyframes play{{{steps}100%{{transform:translateY(-{last}px)}}}}
@media (prefers-reduced-motion:reduce){{.film{{animation:none}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<text x="{PADDING}" y="22" class="title">{html.escape(title)}</text>
<defs>
{chr(10).join(definitions)}
</defs>
<svg x="{PADDING}" y="{TITLE_HEIGHT}" width="{width - 2 * PADDING}" height="{height}"><g class="film">
{chr(10).join(strip)}
</g></svg>
</svg>
"""


def _render_segment(segment: tuple[int, str, str]) -> str:
    column, classes, text = segment
    style = f' class="{classes}"' if classes else ""
    length = f'textLength="{len(text) * CHARACTER_WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{column * CHARACTER_WIDTH:.1f}" y="{BASELINE}" {length}{style}>{html.escape(text, quote=False)}</text>'


def hide_paths(events: list[Event], folder: Path) -> list[Event]:
    """Replace the folder of the recording and the user's home by ``~``."""
    own = {str(folder), str(folder.resolve()), str(Path.home())}
    pattern = re.compile("|".join(re.escape(path) for path in sorted(own, key=len, reverse=True)))
    return [Event(event.seconds, pattern.sub("~", event.text)) for event in events]


def main() -> None:
    """Record the demo, or render a saved recording again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=Path, help="a file: render what it holds, or save the recording there")
    options = parser.parse_args()
    if options.events and options.events.exists():
        events = [Event(*entry) for entry in json.loads(options.events.read_text("utf-8"))]
    else:
        with tempfile.TemporaryDirectory(prefix="recording-") as name:
            run = (sys.executable, "-m", *COMMAND)
            events = hide_paths(capture_run(run, Path(name)), Path(name))
        if options.events:
            options.events.write_text(json.dumps([[event.seconds, event.text] for event in events]), "utf-8")
    (ROOT / "docs" / "demo.svg").write_text(render_svg(choose_frames(events)), "utf-8")


if __name__ == "__main__":
    main()
