"""Compares what two runs left: schema, rows, columns, and what the gate makes of it."""

from sandbox.compare.options import Origin, Rules, rules
from sandbox.compare.plain import tables
from sandbox.compare.sets import compare
from sandbox.compare.verdict import judge

__all__ = ["Origin", "Rules", "compare", "judge", "rules", "tables"]
