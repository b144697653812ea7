"""Makes the tables that the benchmark compares: a table of ten columns, and a copy with 1.3 % of its rows changed.

Of a thousand rows of the copy, on average eleven have another amount, one another status, and one was replaced by a row
with a key of its own (so one was removed and one added: 1.3 % of the rows have a difference).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (
    "order_id", "customer_id", "day", "country", "segment", "status", "quantity", "price", "amount", "reference",
)  # fmt: skip

_ROW = """
select
    n as order_id,
    (hash(n, 1) % 400000)::integer as customer_id,
    date '2024-01-01' + (n * 900 // {rows})::integer as day,
    ['DE', 'FR', 'PL', 'ES', 'IT', 'NL', 'BE', 'AT', 'CH', 'DK', 'SE', 'LU'][1 + (hash(n, 2) % 12)::integer] as country,
    ['private', 'business', 'public', 'reseller'][1 + (hash(n, 3) % 4)::integer] as segment,
    ['completed', 'open', 'refunded', 'cancelled', null][1 + (hash(n, 4) % 5)::integer] as status,
    (1 + hash(n, 5) % 9)::integer as quantity,
    ((hash(n, 6) % 100000) / 100)::decimal(9, 2) as price,
    (hash(n, 7) % 10000000) / 1000.0 as amount,
    'R-' || (hash(n, 8) % 1000000000)::varchar as reference
from range({rows}) t(n)
"""

_CHANGED = """
select * replace (
    case when draw = 11 then order_id + {rows} else order_id end as order_id,
    case when draw = 12 then 'returned' else status end as status,
    case when draw < 11 then amount + 1 + (order_id % 7) else amount end as amount
) from (select *, hash(order_id, 9) % 1000 as draw from ({made}))
"""


def make(folder: Path, *, rows: int, wide: int = 0) -> dict[str, Path]:
    """Write ``baseline``, ``candidate`` and ``reordered`` (the candidate in another order) as Parquet.

    Args:
        folder: Where; it must exist.
        rows: How many.
        wide: So many characters of text that no dictionary holds, in a column more.
    """
    made = _ROW.format(rows=rows)
    if wide:
        text = " || ".join(f"md5((n * 31 + {part})::varchar)" for part in range(-(-wide // 32)))
        made = made.replace(" as reference", f" as reference,\n    left({text}, {wide}) as remark")
    changed = f"select * exclude (draw) from ({_CHANGED.format(rows=rows, made=made)})"
    wanted = {
        "baseline": made,
        "candidate": changed,
        "reordered": f"select * from ({changed}) order by hash(order_id, 10)",
    }
    paths = {name: folder / f"{name}-{rows}-{wide}.parquet" for name in wanted}
    session = duckdb.connect(config={"memory_limit": "4GB", "temp_directory": str(folder)})
    session.execute("set enable_progress_bar = false")
    for name, query in wanted.items():
        if not paths[name].is_file():
            part = paths[name].with_suffix(".part")
            session.execute(f"copy ({query}) to '{part}' (format parquet)")
            part.rename(paths[name])
    return paths


def expected(rows: int) -> dict[str, int]:
    """Give what a comparison by ``order_id`` has to find."""
    [(replaced, changed)] = duckdb.sql(
        "select count(*) filter (draw = 11), count(*) filter (draw < 11 or draw = 12) "
        f"from (select hash(n, 9) % 1000 as draw from range({rows}) t(n))"
    ).fetchall()
    return {"added": replaced, "removed": replaced, "changed": changed}
