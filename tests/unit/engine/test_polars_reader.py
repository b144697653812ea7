"""Polars is an extra: without it no table is read by it."""

from __future__ import annotations

import importlib.util
from unittest import mock

from sandbox.engine.rule.polars_reader import can_read_table

COLUMNS = {"id": "BIGINT", "v": "VARCHAR"}


def test_without_polars_no_table_is_read_by_it() -> None:
    assert can_read_table(COLUMNS, ["id"])
    with mock.patch.object(importlib.util, "find_spec", return_value=None):
        assert not can_read_table(COLUMNS, ["id"])
