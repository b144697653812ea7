"""The source that is sampled: made once for a scale, the same every time, from hashes of row numbers.

`sales` is the wide table: 40 million rows at scale 1, ten columns, text among them, about 1 GB of Parquet in eight files, as
DuckDB writes it (snappy). `customers` has a row for every 20 of them, `returns` a row for every 8; both name customers by
their id, in no order.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

SALES = 40_000_000
FILES = 8

_WORDS = (
    "['late','gift','fragile','express','repeat','partial','online','counter','priority','standard','bulk','sample']"
)


def _pick(values: str, number: str) -> str:
    return f"{values}[1 + ({number} % len({values}))::bigint]"


def _number(salt: int) -> str:
    return f"hash(range * 16 + {salt})"


def _selects(scale: float) -> dict[str, tuple[int, str]]:
    """Give each table's number of rows, and the columns of the row numbered ``range``."""
    sales = int(SALES * scale)
    customers = max(1, sales // 20)
    countries, channels = (
        "['DE','DE','DE','FR','FR','US','US','PL','IT','ES']",
        "['web','web','app','store','phone','mail','fair']",
    )
    country = _pick(countries, "hash(customer_id * 31)")
    sales_columns = f"""
        range as sale_id, ({_number(1)} % {customers})::bigint as customer_id, {country} as country,
        {_pick(channels, _number(2))} as channel,
        timestamp '2024-01-01' + to_hours(({_number(3)} % 17500)::bigint) as sold_at,
        (({_number(4)} % 2000000)::bigint / 100)::decimal(12, 2) as amount,
        (1 + {_number(5)} % 9)::integer as quantity, ({_number(6)} % 50000)::integer as product_id,
        {_pick(_WORDS, _number(7))} || ' ' || ({_number(9)} % 100000)::varchar as note,
        (({_number(10)} % 1000)::double / 1000) as discount"""
    customer_columns = f"""
        range as customer_id, {country} as country, {_pick("['consumer','business','public']", _number(11))} as segment,
        date '2015-01-01' + ({_number(12)} % 4000)::integer as since"""
    return_columns = f"""
        range as return_id, ({_number(13)} % {customers})::bigint as customer_id,
        {_pick(_WORDS, _number(14))} as reason, ({_number(15)} % 9000)::integer as cents"""
    return {
        "sales": (sales, sales_columns),
        "customers": (customers, customer_columns),
        "returns": (max(1, sales // 8), return_columns),
    }


def made(folder: Path, scale: float) -> Path:
    """Give the folder of the source at a scale, made now if it is not there."""
    place = folder / f"scale-{scale:g}"
    if place.is_dir():
        return place
    making = folder / f".scale-{scale:g}"
    shutil.rmtree(making, ignore_errors=True)
    with duckdb.connect(config={"memory_limit": "2GB", "preserve_insertion_order": False}) as connection:
        connection.execute("set enable_progress_bar = false")
        for table, (rows, columns) in _selects(scale).items():
            files = FILES if table == "sales" else 1
            (making / table).mkdir(parents=True)
            for file in range(files):
                numbers = f"range({rows * file // files}, {rows * (file + 1) // files})"
                target = str(making / table / f"{file}.parquet").replace("'", "''")
                connection.execute(f"copy (select {columns} from {numbers}) to '{target}' (row_group_size 250000)")
    return making.rename(place)


def repeated(place: Path, times: int) -> Path:
    """Give a source in which the two child tables are the same files many times over, as links.

    The customers stay as they are, so that a unit's key is unique; each of them has ``times`` as many rows. Nothing is
    copied: the files are read as often as they are linked.
    """
    folder = place.parent / f"{place.name}-times-{times}"
    shutil.rmtree(folder, ignore_errors=True)
    for path in sorted(place.glob("*/*.parquet")):
        for copy in range(1 if path.parent.name == "customers" else times):
            link = folder / path.parent.name / f"{copy}-{path.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(path)
    return folder
