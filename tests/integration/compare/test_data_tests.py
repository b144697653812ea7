"""Data tests run on both sides, and a hostile query reads and writes nothing but the outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import evaluate_gate, run_data_tests
from sandbox.compare.data_tests.queries import classify_test_outcome, evaluate_data_tests
from sandbox.compare.gate import GateEvidence
from sandbox.config.sections.outputs import DataTestEntry, GateSection
from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.manifest.diff import DataTestResult
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path


def table(path: Path, **columns: list[Any]) -> TableFiles:
    pq.write_table(pa.table(columns), path)
    return TableFiles(name=path.stem, format="parquet", paths=(path,))


def carried_out(sql: str, baseline: TableFiles, candidate: TableFiles, **sample: TableFiles) -> DataTestResult:
    [found] = run_data_tests(
        [DataTestEntry(name="rule", sql=sql)],
        {"orders": baseline},
        {"orders": candidate},
        sample=sample,
        memory=2**28,
        progress=SilentProgress(),
    )
    return found


@pytest.fixture
def orders(tmp_path: Path) -> tuple[TableFiles, TableFiles]:
    return (
        table(tmp_path / "a.parquet", id=[1, 2, 3], amount=[1.0, -1.0, float("nan")]),
        table(tmp_path / "b.parquet", id=[1, 2, 4], amount=[1.0, -1.0, -3.0]),
    )


def test_time_of_all_tests_together_is_limited(orders: tuple[TableFiles, TableFiles]) -> None:
    endless = "select * from range(10_000_000) a, range(10_000_000) b, orders where a.range + b.range + id = -1"
    tests = [DataTestEntry(name=name, sql=sql) for name, sql in (("endless", endless), ("after", "from orders"))]
    baseline, candidate = orders
    found = run_data_tests(
        tests,
        {"orders": baseline},
        {"orders": candidate},
        sample={},
        memory=2**28,
        seconds=0.5,
        progress=SilentProgress(),
    )
    assert [one.outcome for one in found] == ["not_evaluated", "not_evaluated"]
    assert found[0].problems["candidate"] == "it did not end within 0.5 s, the limit of all tests together"
    assert found[1].problems["candidate"] == "not run: earlier tests took all of 0.5 s"
    assert not all(one.held for one in evaluate_data_tests(found, GateSection()))


@pytest.mark.parametrize(
    ("sql", "counts", "outcome"),
    [
        ("select * from orders where amount is null", (0, 0), "passed"),
        ("select * from orders where amount = -1; -- known", (1, 1), "failed"),
        ("from orders where id = 4", (0, 1), "newly_failing"),
        ("select * from orders where id = 3", (1, 0), "fixed"),
        ("select * from orders where amount > 1000 /* NaN is, and no statistics say so */", (1, 0), "fixed"),
        ("select id, id from orders where id not in (select id from sample.known)", (1, 1), "failed"),
    ],
)
def test_rows_that_break_the_rule_are_counted_on_both_sides(
    tmp_path: Path, orders: tuple[TableFiles, TableFiles], sql: str, counts: tuple[int, int], outcome: str
) -> None:
    known = table(tmp_path / "known.parquet", id=[1, 2])
    found = carried_out(sql, *orders, known=known)
    assert (found.baseline_failures, found.candidate_failures) == counts
    assert (found.outcome, found.problems) == (outcome, {})


def test_a_test_of_something_new_counts_on_the_candidate_alone(
    tmp_path: Path, orders: tuple[TableFiles, TableFiles]
) -> None:
    after = table(tmp_path / "c.parquet", id=[1], score=[7])
    found = carried_out("select * from orders where score > 5", orders[0], after)
    assert (found.baseline_failures, found.candidate_failures, found.outcome) == (None, 1, "newly_failing")
    assert "score" in found.problems["baseline"]
    assert carried_out("from orders where score > 9", orders[0], after).outcome == "passed"


def test_a_query_that_fails_is_not_evaluated_and_not_held(orders: tuple[TableFiles, TableFiles]) -> None:
    found = carried_out("select * from ordres", *orders)
    assert (found.outcome, found.candidate_failures) == ("not_evaluated", None)
    assert "ordres" in found.problems["candidate"]
    for accepted in ("no-new-failures", "no-failures"):
        [result] = evaluate_data_tests([found], GateSection.model_validate({"tests": accepted}))
        assert not result.held
        assert "rule" in result.found
    [result] = evaluate_data_tests([found], GateSection.model_validate({"tests": "any"}))
    assert result.held


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('{secret}')",
        "select * from read_csv('{secret}')",
        "select * from '{secret}'",
        "select * from glob('{folder}/*')",
        "select * from read_blob('/etc/passwd')",
        "copy (select 1) to '{folder}/made.csv'",
        "copy orders to '{orders}'",
        "attach '{folder}/made.duckdb' as made",
        "set enable_external_access = true",
        "select 1; set enable_external_access = true; select * from read_text('{secret}')",
        "select 1) as found; copy (select 1) to '{folder}/made.csv'; select * from (select 1",
        "install httpfs",
        "load json",
        "create table made as select 1",
        "insert into orders select 1, 2",
        "drop view orders",
        "export database '{folder}/made'",
        "call pragma_version()",
        "select * from query('copy (select 1) to ''{folder}/made.csv''')",
        "explain analyze copy (select 1) to '{folder}/made.csv'",
        "select getenv('HOME')",
        "-- nothing",
    ],
)
def test_a_hostile_query_neither_reads_nor_writes_files(
    tmp_path: Path, orders: tuple[TableFiles, TableFiles], sql: str
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    filled = sql.format(secret=tmp_path / "secret.csv", folder=tmp_path, orders=orders[1].paths[0])
    found = carried_out(filled, *orders)
    assert found.outcome == "not_evaluated", found
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert not os.path.lexists(tmp_path / "made.csv")


def test_outputs_of_every_format_can_be_tested_and_views_of_a_database_cannot(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (tmp_path / "orders.csv").write_text("id,amount\n1,2.5\n2,-1\n")
    (tmp_path / "orders.jsonl").write_text('{"id": 1, "amount": 2.5}\n{"id": 2, "amount": -1}\n')
    file = tmp_path / "o.duckdb"
    with Session() as session:
        session.execute(f"attach {quote_literal(str(file))} as o")
        session.execute("create table o.orders as select 1 as id, -1.0 as amount")
        session.execute(f"create view o.spy as select * from read_text({quote_literal(str(tmp_path / 'secret.csv'))})")
    made = [
        TableFiles(name="orders", format="csv", paths=(tmp_path / "orders.csv",)),
        TableFiles(name="orders", format="jsonl", paths=(tmp_path / "orders.jsonl",)),
        TableFiles(name="orders", format="duckdb", paths=(file,), member="orders"),
    ]
    for one in made:
        assert carried_out("from orders where amount < 0", one, one).candidate_failures == 1, one
    assert carried_out("from file0.main.spy", made[2], made[2]).outcome == "not_evaluated"


def test_a_query_larger_than_the_memory_spills(tmp_path: Path, orders: tuple[TableFiles, TableFiles]) -> None:
    found = carried_out(
        "select i % 3000000 as k, count(*) as n from range(6000000) t(i) group by k having n > 2", *orders
    )
    assert found.outcome == "passed"


@pytest.mark.parametrize(
    ("counts", "accepted", "held"),
    [
        ((0, 0), "no-failures", True),
        ((3, 3), "no-new-failures", True),
        ((3, 4), "no-new-failures", False),
        ((3, 3), "no-failures", False),
        ((0, 1), "no-new-failures", False),
        ((0, 1), "any", True),
        ((5, 0), "no-failures", True),
    ],
)
def test_the_gate_of_data_tests(counts: tuple[int, int], accepted: str, held: bool) -> None:
    test = DataTestResult(
        name="rule",
        baseline_failures=counts[0],
        candidate_failures=counts[1],
        outcome=classify_test_outcome(*counts),
    )
    [result] = evaluate_data_tests([test], GateSection.model_validate({"tests": accepted}))
    assert (result.rule, result.output, result.held) == ("tests", None, held)
    verdict, results = evaluate_gate(
        GateEvidence(outputs={}, tests=[test]), GateSection.model_validate({"tests": accepted}), {}
    )
    assert (verdict != "outside_gate", results) == (held, [result])
    assert evaluate_gate(GateEvidence(outputs={}), GateSection(), {}) == ("same", [])
