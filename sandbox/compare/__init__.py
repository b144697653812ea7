"""Compares what two runs left: schema, rows, columns, and what the gate makes of it."""

from sandbox.compare.data_tests.queries import run_data_tests
from sandbox.compare.gate import evaluate_gate
from sandbox.compare.identical_files import are_identical_tables
from sandbox.compare.nondeterminism import ColumnTest, RunPeriod, judge_columns
from sandbox.compare.reading.table_arguments import resolve_tables
from sandbox.compare.rules import OutputRules, TableOrigin, Tolerance, build_output_rules
from sandbox.compare.tables import compare_tables

__all__ = [
    "ColumnTest",
    "OutputRules",
    "RunPeriod",
    "TableOrigin",
    "Tolerance",
    "are_identical_tables",
    "build_output_rules",
    "compare_tables",
    "evaluate_gate",
    "judge_columns",
    "resolve_tables",
    "run_data_tests",
]
