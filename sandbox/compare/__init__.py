"""Compares what two runs left: schema, rows, columns, and what the gate makes of it."""

from sandbox.compare.data_tests import data_tests
from sandbox.compare.gate import judge
from sandbox.compare.rules import Origin, Rules, Tolerance, rules
from sandbox.compare.table_arguments import tables
from sandbox.compare.tables import compare

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
