"""Sizes, durations and shares."""

from __future__ import annotations

import pytest

from sandbox.config.quantities import parse_duration, parse_share, parse_size


@pytest.mark.parametrize(("text", "size"), [("5GB", 5 * 10**9), ("1 GiB", 2**30), ("0.5kib", 512), (7, 7)])
def test_sizes_are_decimal_unless_binary_is_written(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "4 giga", "1e9", True, None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("250ms", 0.25), (3, 3), ("2d", 172_800)])
def test_durations_add_up(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "0s", "5 minutes", "1m!", False])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("100 %", 1), (0.25, 0.25), ("0", 0)])
def test_shares_are_percent_or_parts_of_one(text: object, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["101%", 1.5, "-1%", "all", True])
def test_what_is_no_share_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        parse_share(text)
