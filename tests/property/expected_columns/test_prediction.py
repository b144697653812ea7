"""Whatever a change of SQL does, each column that changes is one that the lineage leads to, or of which it knows nothing.

``study.py`` does the same with ten times as many changes of real dbt projects.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import duckdb

from sandbox.impact.expected_columns.sql_models import build_sql_models
from tests.property.expected_columns.mutated_project import SqlProject, try_mutation
from tests.sql_mutations import choose_mutation

if TYPE_CHECKING:
    from pathlib import Path

CHANGES = 10
TABLES = {
    "customers": "select i as customer_id, 'c' || i % 7 as country, date '2024-01-01' + i::int as since from range(60) t(i)",
    "orders": "select i as order_id, (i * 37) % 67 as customer_id, (i * 13) % 101 as amount, "
    "case i % 4 when 0 then 'cancelled' when 1 then null else 'paid' end as status, "
    "timestamp '2024-01-01' + i * interval 7 hour as ordered from range(400) t(i)",
}
MODELS = {
    "staging": "select order_id, customer_id, coalesce(amount, 0) / 10 as amount, status, "
    "date_trunc('month', ordered) as month from orders where status is distinct from 'cancelled'",
    "per_customer": "with o as (select * from staging) select c.customer_id, c.country, count(order_id) as orders, "
    "sum(amount) as total, max(month) as last from customers c left join o using (customer_id) group by all",
    "ranked": "select customer_id, country, total, orders > 3 as often, row_number() over (order by total desc, customer_id) as place "
    "from per_customer where total > 5 and orders >= 1",
    "per_month": "select month, count(distinct customer_id) as customers, round(sum(amount), 1) as total from staging group by 1",
    "both": "select 'month' as kind, total from per_month union all select country, total from ranked",
}  # fmt: skip


def test_no_column_changes_that_nothing_leads_to(tmp_path: Path) -> None:
    places = {key: ("shop", "main", key) for key in (*TABLES, *MODELS)}
    columns = {}
    for name, query in TABLES.items():
        duckdb.connect().execute(f"copy ({query}) to '{tmp_path}/{name}.parquet'")
        columns[name] = [str(row[0]) for row in duckdb.connect().execute(f"describe {query}").fetchall()]
    graph = build_sql_models(
        {f"{name}.sql": sql for name, sql in MODELS.items()}, dict.fromkeys(MODELS, ()), columns, "duckdb"
    )
    assert graph is not None
    project = SqlProject(
        graph=graph, places=places, tables={name: f"{tmp_path}/{name}.parquet" for name in TABLES}, order=list(MODELS)
    )
    built = project.run(tmp_path / "before")
    tried = narrow = 0
    numbers = random.Random(20)
    while tried < CHANGES:
        key, kind, sql = choose_mutation(MODELS, numbers)
        try:
            result = try_mutation(
                project, project.change_query(key, sql), built, tmp_path / f"after {numbers.random()}"
            )
        except duckdb.Error:
            continue  # the changed query is none
        tried += 1
        for name, expected in result.expected.items():
            assert (expected.unexpected, expected.unexpected_rows, expected.unknown) == ([], 0, []), (
                key,
                kind,
                name,
                sql,
            )
        narrow += result.count("changed") + result.count("unchanged") < result.columns
    assert narrow > CHANGES / 2  # not everything is expected
