"""Compares what two runs left: schema, rows, columns, and what the gate makes of it."""

from sandbox.compare.data_tests import data_tests
from sandbox.compare.options import Origin, Rules, Tolerance, rules
from sandbox.compare.plain import tables
from sandbox.compare.sets import compare
from sandbox.compare.verdict import judge

__all__ = [
    "Origin",
    "Rules",
    "Tolerance",
    "compare",
    "data_tests",
    "judge",
    "rules",
    "tables",
]
