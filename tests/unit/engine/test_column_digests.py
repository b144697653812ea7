"""Two queries differ in the digests of exactly the columns and rows that a change leads to."""

from __future__ import annotations

import pytest

from sandbox.engine.sql.column_digests import RelationDigest, UnknownQueryError, digest_query, parse_query

TABLES = {"orders": ("id", "customer_id", "amount", "status"), "customers": ("customer_id", "name")}
ALL = object()


def find_table(names: tuple[str, ...]) -> RelationDigest:
    if names[-1] not in TABLES:
        raise UnknownQueryError(f"there is no {names[-1]}")
    return RelationDigest(rows=names[-1], columns={column: f"{names[-1]}.{column}" for column in TABLES[names[-1]]})


def digest(sql: str, dialect: str = "duckdb") -> RelationDigest:
    return digest_query(parse_query(sql, dialect), dialect, find_table, output_columns=["a", "b"])


def compare(before: str, after: str) -> tuple[set[str], bool]:
    """Return the names of the columns that differ, and whether the rows do."""
    first, second = digest(before), digest(after)
    names = {*(first.columns or {}), *(second.columns or {})}
    return {
        name for name in names if (first.columns or {}).get(name) != (second.columns or {}).get(name)
    }, first.rows != second.rows


CTE = "with o as (select * from orders), f as (select o.*, {} from o left join customers c {}) select * from f"
EXISTS = "where exists (select 1 from customers c where c.customer_id = o.customer_id {})"


@pytest.mark.parametrize(
    ("before", "after", "columns"),
    [
        ("select id, amount * 2 as a from orders", "select id, amount*3 a /* more */ from db.orders o", {"a"}),
        ("select * from orders", "select o.* from (select * from orders) as o", set()),
        (
            CTE.format("c.name", "on c.customer_id = o.customer_id"),
            CTE.format("upper(c.name) as name", "on c.customer_id = o.customer_id"),
            {"name"},
        ),
        (CTE.format("c.name", "using (customer_id)"), CTE.format("c.name", "on c.customer_id = o.id"), ALL),
        ("select id, amount from orders", "select id, amount from orders where amount > 0", ALL),
        ("select id, amount a from orders order by 2 limit 3", "select id, amount + 1 a from orders order by 2 limit 3", ALL),
        ("select customer_id c, count(*) n from orders group by 1", "select id c, count(*) n from orders group by 1", ALL),
        ("select customer_id c, count(*) n from orders group by c", "select id c, count(*) n from orders group by c", ALL),
        ("select status, sum(amount) s from orders group by all", "select status, max(amount) s from orders group by all", ALL),
        ("select status, sum(amount) s, 1 n from orders group by status", "select status, max(amount) s, 1 n from orders group by status", {"s"}),
        ("select 1 as a, id from orders", "select 1 as a, max(id) as id from orders", ALL),
        ("select 1 as a, sum(id) over () as s from orders", "select 1 as a, sum(sum(id)) over () as s from orders", ALL),
        ("select id, sum(id) over (order by id) s from orders", "select id, sum(id) over (order by id desc) s from orders", {"s"}),
        ("select id, amount from orders qualify row_number() over (order by id) = 1", "select id, amount from orders qualify row_number() over (order by amount) = 1", ALL),
        ("select distinct id, amount from orders", "select distinct id, amount + 1 as amount from orders", ALL),
        ("select id, amount a from orders union all select id, 0 from orders", "select id, amount a from orders union all select id, 1 from orders", {"a"}),
        ("select id, amount a from orders union select id, 0 from orders", "select id, amount a from orders union select id, 1 from orders", ALL),
        ("select amount as a, a + 1 as b, id from orders", "select amount * 2 as a, a + 1 as b, id from orders", {"a", "b"}),
        ("select id as k, k * 2 as z, amount from (select o.*, unnest([1]) u from orders o)", "select id + 1 as k, k * 2 as z, amount from (select o.*, unnest([1]) u from orders o)", {"k", "z"}),
        ("select id, unnest([1, 2]) as u from orders", "select id, unnest([1, 2, 3]) as u from orders", ALL),
        ("select id, x.u from orders, unnest([1, 2]) x(u)", "select id, x.u from orders, unnest([1, 3]) x(u)", ALL),
        ("select id, amount from orders o " + EXISTS.format(""), "select id, amount from orders o " + EXISTS.format("and c.name = 'x'"), ALL),
        ("select id, (select max(name) from customers c where c.customer_id = o.customer_id) m from orders o", "select id, (select min(name) from customers c where c.customer_id = o.customer_id) m from orders o", {"m"}),
        ("select * exclude (status) from orders", "select * exclude (status) replace (-amount as amount) from orders", {"amount"}),
        ("with recursive r as (select 1 as n union all select n + 1 from r where n < 4) select n as a, 1 as b from r", "with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select n as a, 1 as b from r", {"a", "b"}),
        ("select id as a from orders using sample 5", "select id as a from orders using sample 6", ALL),
    ],
)  # fmt: skip
def test_a_change_leads_to_what_it_decides(before: str, after: str, columns: set[str] | object) -> None:
    found, rows = compare(before, after)
    if columns is ALL:
        assert rows
        assert found == {*(digest(before).columns or {}), *(digest(after).columns or {})}
    else:
        assert found == columns
    assert compare(before, before) == (set(), False)


def test_a_query_with_aliases_of_aliases_takes_no_time_of_its_own() -> None:
    """Expanded, it would have 2^200 parts."""
    chain = ", ".join(f"a{number - 1} + a{number - 1} as a{number}" for number in range(1, 200))
    columns, rows = compare(
        f"select id as a0, 1 as b, {chain} from orders", f"select -id as a0, 1 as b, {chain} from orders"
    )
    assert columns == {f"a{number}" for number in range(200)}
    assert not rows


@pytest.mark.parametrize(
    "sql", ["select from where", "insert into orders select 1", "select 1; select 2", "select * from unknown"]
)
def test_what_is_no_query_of_known_relations_is_unknown(sql: str) -> None:
    with pytest.raises(UnknownQueryError):
        digest(sql)
