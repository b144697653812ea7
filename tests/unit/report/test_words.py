from __future__ import annotations

import doctest

import pytest

from sandbox import formatting
from sandbox.compare import gate_limits
from sandbox.report import findings, markdown
from sandbox.report.html import charts


@pytest.mark.parametrize("module", [formatting, markdown, charts, findings, gate_limits])
def test_the_examples_in_the_documentation_hold(module: object) -> None:
    failures, attempted = doctest.testmod(module)  # type: ignore[arg-type]
    assert attempted
    assert not failures


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\ufeff", "\x1b", "\x07", "\u2028", "\x9b", "\u061c"])
def test_characters_that_hide_or_turn_text_are_shown(hidden: str) -> None:
    shown = formatting.escape_hidden(f"a{hidden}b")
    assert hidden not in shown
    assert f"{ord(hidden):04X}" in shown


def test_writing_of_any_language_stays_as_it_is() -> None:
    for text in ("Größe", "北京", "مرحبا", "हिन्दी", "🦆", "e\u0301"):
        assert formatting.escape_hidden(text) == text


@pytest.mark.parametrize(
    ("count", "said"), [(999_999, "1.0 MB"), (1000, "1.0 kB"), (0, "0 B"), (5 * 10**18, "5000.0 PB")]
)
def test_sizes_round_to_the_next_unit(count: int, said: str) -> None:
    assert formatting.format_size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(59.97, "1 min 0 s"), (0.9999, "1.0 s"), (3599.6, "1 h 0 min"), (0, "0 ms")]
)
def test_durations_round_to_the_next_unit(seconds: float, said: str) -> None:
    assert formatting.format_duration(seconds) == said
