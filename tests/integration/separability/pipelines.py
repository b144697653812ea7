"""Pipelines whose outputs depend on other units, hardly do, or do not: SQL over customers, orders, items and products.

``{key}`` are the columns of the unit's key, ``{c.key}`` the same of a table ``c``. Every output has them.
"""

from __future__ import annotations

TOTALS = (
    "(select {key}, any_value(country) as country, any_value(contact) as contact, any_value(signup) as signup, "
    "coalesce(sum(amount), 0)::DOUBLE as total, count(amount) as orders "
    "from customers left join orders using ({key}) group by {key}) totals"
)

REFUSED = {
    "limit": "select {key}, country from customers order by {key} limit 500",
    "limit without an order": "select {key}, country from customers limit 500",
    "limit above the half": "select {key}, country from customers order by {key} limit 5000",
    "top-k": f"select {{key}}, total from {TOTALS} order by total desc, {{key}} limit 300",
    "top-k per group": (
        f"select {{key}}, total from {TOTALS} "
        "qualify row_number() over (partition by country order by total desc, {key}) <= 300"
    ),
    "share of total": f"select {{key}}, total / sum(total) over () as share from {TOTALS}",
    "running total": f"select {{key}}, sum(orders) over (order by signup, {{key}}) as running from {TOTALS}",
    "rank": f"select {{key}}, rank() over (order by total) as place from {TOTALS}",
    "ntile": f"select {{key}}, ntile(10) over (order by total, {{key}}) as decile from {TOTALS}",
    "x / max": f"select {{key}}, total / max(total) over () as part from {TOTALS}",
    "min-max": (
        f"select {{key}}, (total - min(total) over ()) / (max(total) over () - min(total) over ()) as part from {TOTALS}"
    ),
    "99th-percentile cap": (f"select {{key}}, least(total, quantile_cont(total, 0.99) over ()) as total from {TOTALS}"),
    "deduplication by e-mail": "select distinct on (contact) {key}, contact from customers order by contact, {key}",
    "distinct e-mails": "select contact, min(({key})) as first, max(({key})) as last, {any} from customers group by contact",
    "row numbers": "select {key}, row_number() over (order by {key}) as number from customers",
    "row numbers in file order": "select {key}, row_number() over () as number from customers",
    "regression coefficients": (
        f"select {{key}}, regr_slope(total, orders) over () * orders + regr_intercept(total, orders) over () as fit "
        f"from {TOTALS}"
    ),
    "first buyer": (
        "select product_id, arg_min(({o.key}), (day, o.order_id)) as buyer, {first} from items join orders o using (order_id) "
        "group by product_id"
    ),
    "sample of rows": "select {key}, country from customers using sample reservoir(150 rows) repeatable (42)",
    "every third row": "select {key}, country from customers qualify row_number() over () % 3 = 0",
    "having count": (
        "select {key}, country from customers where country in "
        "(select country from customers group by country having count(*) > 500)"
    ),
    "having a small count": (
        "select {key}, country from customers where (country, year(signup)) in "
        "(select (country, year(signup)) from customers group by all having count(*) >= 8)"
    ),
}
"""Refused with every salt."""

HARDLY_DEPENDENT = {
    "z-score flag": (
        f"select {{key}}, abs(total - avg(total) over ()) > 3 * stddev(total) over () as unusual from {TOTALS}"
    ),
    "median flag": f"select {{key}}, total > median(total) over () as large from {TOTALS}",
}
"""Accepted with three salts of twenty at most."""

ACCEPTED = {
    "aggregates of a unit": (
        "select {key}, count(*) as n, sum(amount) as total, avg(amount)::DOUBLE as mean, max(day) as last, "
        "count(distinct status) as kinds from customers left join orders using ({key}) group by {key}"
    ),
    "lookup": (
        "select order_id, line, {o.key}, price * (1 + vat) as gross from items join orders o using (order_id) "
        "join products using (product_id)"
    ),
    "aggregate of a lookup": (
        "select order_id, line, {o.key}, price / mean as relative from items join orders o using (order_id) "
        "join (select product_id, avg(vat) over (partition by category) + 1 as mean from products) using (product_id)"
    ),
    "filter": "select {key}, order_id, amount from orders where status = 'paid' and amount > 20",
    "windows of a unit": (
        "select {key}, order_id, row_number() over (partition by {key} order by day, order_id) as number, "
        "sum(amount) over (partition by {key} order by day, order_id) as running, "
        "amount - lag(amount) over (partition by {key} order by day, order_id) as step from orders"
    ),
    "top-n of a unit": (
        "select {key}, order_id, amount from orders "
        "qualify row_number() over (partition by {key} order by amount desc, order_id) <= 3"
    ),
    "surrogate hash keys": (
        "select md5(concat_ws('/', {key})) as hashed, {key}, md5(order_id::VARCHAR) as order_key, amount from orders"
    ),
    "key buckets": "select {key}, hash({key}) % 16 as bucket, ord(md5(order_id::VARCHAR)) % 10 as part from orders",
    "unique e-mails": (
        "select distinct on (c.email) {c.key}, c.email, d.country from customers c join customers d using (email)"
    ),
    "date arithmetic": (
        "select {key}, order_id, date_trunc('month', day) as month, day + 30 as due, day - signup as age "
        "from orders join customers using ({key})"
    ),
    "pivot": (
        "select {key}, sum(amount) filter (status = 'paid') as paid, sum(amount) filter (status = 'open') as open, "
        "count(*) filter (status = 'returned') as returned from orders group by {key}"
    ),
    "pivot by the data": "pivot (select {key}, status, amount from orders) on status using sum(amount) group by {key}",
    "union": (
        "select {key}, 'order' as kind, day from orders union all select {key}, 'signup', signup from customers "
        "union all select {key}, 'order', day from orders where status = 'returned'"
    ),
    "case table": (
        "select {key}, order_id, coalesce(label, 'other') as label from orders "
        "left join (values ('paid', 'settled'), ('returned', 'sent back')) labels(status, label) using (status)"
    ),
    "nested aggregates": (
        "select {key}, avg(spent)::DOUBLE as mean, max(spent) as most, max(lines) as lines from "
        "(select {o.key}, order_id, sum(price) as spent, count(*) as lines from items join orders o using (order_id) "
        "group by {o.key}, order_id) group by {key}"
    ),
    "units with many orders": "select {key}, count(*) as n from orders group by {key} having count(*) > 3",
}
"""Accepted with every salt."""
