"""Find literal limits in code that bind in production alone: above the units of the separability check.

No half-sample reaches such a bound, so the code's text is searched: ``LIMIT 50000``, ``TOP``, ``FETCH FIRST``,
``head(50_000)``, ``nlargest``, ``HAVING count(*) > 50000`` and the like. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.sampler.half_sample.copy_plan import FIRST_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NUMBER = r"(?P<number>\d[\d_]*(?:\.\d+)?(?:e\+?\d+)?(?:\s*\*\*\s*\d+)?)\b"
_COMPARED = rf"\s*[<>!=]=?\s*{_NUMBER}"
_ROW_LIMITS = (
    rf"\b(?P<word>limit|top|n_?rows|max_?rows)\b\s*[(=:]*\s*{_NUMBER}",
    rf"\b(?P<word>fetch)\s+(?:first|next)\s+{_NUMBER}",
    rf"\b(?P<word>head|tail|nlargest|nsmallest|top_k|bottom_k|take|sample|slice)\s*\(\s*(?:\w+\s*=\s*)?{_NUMBER}",
    rf"\b(?P<word>islice)\s*\([^()]*,\s*{_NUMBER}",
    rf"(?P<word>\[)\s*\d*\s*:\s*{_NUMBER}\s*\]",
)
_GROUP_LIMITS = (
    rf"\b(?P<word>having)\b[^;]{{0,300}}?\bcount\s*\([^()]*\){_COMPARED}",
    rf"\b(?P<word>len|count|size|nunique|row_number|rank|dense_rank|cumcount)\s*\([^()]*\)(?:\s*over\s*\([^()]*\))?{_COMPARED}",
    rf"\b(?P<word>rn|rnk|rank|row_num|row_number)\b{_COMPARED}",
)
_COMMENT = re.compile(r"(?:^|(?<=\s))(?:--|#)[^\n]*", re.MULTILINE)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class LiteralLimit:
    """A limit in the code: the file, the line from 1, the number and the word before it."""

    path: str
    line: int
    number: int
    word: str

    def __str__(self) -> str:
        word = "a slice" if self.word == "[" else self.word
        return f"{self.path}:{self.line} has a limit of {self.number:,} ({word})"


def find_output_limits(
    files: Mapping[str, str], outputs: list[str], *, checked: int, most: int
) -> dict[str, LiteralLimit]:
    """Return for each output the first limit of its code that the check could not see, if there is one.

    An output's code is the file that is named like it, and the files named there, and so on; without such a file it is
    all the code.

    Args:
        files: The text of each file of the code, by path.
        outputs: The outputs.
        checked: Units of the check.
        most: Rows of production's largest table of units: a limit above binds nowhere.
    """
    limits = {
        path: limit
        for path, text in sorted(files.items())
        if (limit := next(_find_limits(path, text, checked, most), None)) is not None
    }
    if not limits:
        return {}
    stems: dict[str, list[str]] = {}
    for path in files:
        stems.setdefault(PurePosixPath(path).stem.lower(), []).append(path)
    found = {}
    for output in outputs:
        paths = _follow_names(files, stems, output.lower()) or set(files)
        first = next((limits[path] for path in sorted(paths) if path in limits), None)
        if first is not None:
            found[output] = first
    return found


def _follow_names(files: Mapping[str, str], stems: Mapping[str, list[str]], name: str) -> set[str]:
    """Return the files that are named like an output, and those that these name."""
    reached: set[str] = set()
    ahead = list(stems.get(name, ()))
    while ahead:
        path = ahead.pop()
        if path not in reached:
            reached.add(path)
            words = {word.lower() for word in _WORD.findall(files[path])}
            ahead += [other for word in words & stems.keys() for other in stems[word]]
    return reached


def _find_limits(path: str, text: str, checked: int, most: int) -> Iterator[LiteralLimit]:
    """Yield the limits between the units of the check and production's rows.

    A limit within groups is seen up to the copies of one unit.
    """
    code = _COMMENT.sub(lambda match: " " * len(match[0]), text)
    for patterns, least in ((_ROW_LIMITS, checked), (_GROUP_LIMITS, int(checked * FIRST_SHARE))):
        for pattern in patterns:
            for match in re.finditer(pattern, code, re.IGNORECASE):
                number = _parse_number(match["number"])
                if least < number < most:
                    line = text.count("\n", 0, match.start("number")) + 1
                    yield LiteralLimit(path=path, line=line, number=int(number), word=match["word"].lower())


def _parse_number(text: str) -> float:
    """Parse a number of SQL or Python.

    >>> _parse_number("25_000"), _parse_number("1e6"), _parse_number("10 ** 5")
    (25000.0, 1000000.0, 100000.0)
    """
    base, _, exponent = text.replace("_", "").partition("**")
    power = int(exponent) if exponent else 1
    return float(base) ** min(power, 300) if float(base) < 100 or power == 1 else float("inf")
