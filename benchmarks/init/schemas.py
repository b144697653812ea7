"""Generated sources in four styles of naming, with the answers that a person who knows them would give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from sandbox.masking.names import FAMILY_NAMES, GIVEN_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

References = dict[str, str]
"""``table.column`` -> ``table.column``; columns of a composite reference are joined by a plus."""


@dataclass(frozen=True, kw_only=True)
class KnownSource:
    """A source, and what `sandbox init` should say about it.

    Attributes:
        tables: Table -> SELECT of its rows; empty for a source that is fetched.
        keys: Table -> its key.
        references: Its references.
        units: Tables that are right as a unit.
        personal: ``table.column`` of its personal columns.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]]
    references: References
    units: tuple[str, ...]
    personal: frozenset[str]


def write_source(source: KnownSource, folder: Path) -> None:
    """Write the tables as CSV, which declares nothing; those with binary columns as Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        for macro, names, step in (("given", GIVEN_NAMES, 7), ("family", FAMILY_NAMES, 11)):
            texts = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}'" for name in names[:40])
            connection.execute(f"create macro {macro}(i) as ([{texts}])[(i * {step}) % 40 + 1]")
        connection.execute("create macro pick(i, n) as (hash(i) % n)::int")
        for name, select in source.tables.items():
            form = "parquet" if "unhex(" in select else "csv"
            target = str(folder / f"{name}.{form}").replace("'", "''")
            connection.execute(f"copy ({select}) to '{target}'")


def _phone(value: str) -> str:
    return f"'+49 30 ' || (1000000 + {value} * 7919 % 8999999)"


MUSIC = KnownSource(
    tables={
        "Artist": "select i + 1 as ArtistId, 'band ' || i as Name from range(275) r(i)",
        "Album": "select i + 1 as AlbumId, 'album ' || i as Title, pick(i, 275) + 1 as ArtistId from range(347) r(i)",
        "Genre": "select i + 1 as GenreId, 'genre ' || i as Name from range(25) r(i)",
        "MediaType": "select i + 1 as MediaTypeId, 'type ' || i as Name from range(5) r(i)",
        "Track": """select i + 1 as TrackId, 'track ' || i as Name, pick(i, 347) + 1 as AlbumId, pick(i + 1, 5) + 1 as MediaTypeId,
            pick(i + 2, 25) + 1 as GenreId, 100000 + pick(i, 300000) as Milliseconds, 0.99 as UnitPrice from range(3503) r(i)""",
        "Playlist": "select i + 1 as PlaylistId, 'list ' || i as Name from range(18) r(i)",
        "PlaylistTrack": """select distinct pick(i, 18) + 1 as PlaylistId, pick(i * 3 + 1, 3503) + 1 as TrackId
            from range(8715) r(i)""",
        "Employee": f"""select i + 1 as EmployeeId, family(i) as LastName, given(i) as FirstName, 'clerk' as Title,
            case when i > 0 then pick(i, i) + 1 end as ReportsTo, date '1970-01-01' + (i * 400)::int as BirthDate,
            date '2010-01-01' + (i * 90)::int as HireDate, {_phone('i')} as Phone from range(8) r(i)""",
        "Customer": f"""select i + 1 as CustomerId, given(i) as FirstName, family(i + 3) as LastName,
            given(i) || i || '@mail.example' as Email, {_phone('i')} as Phone, ['DE', 'FR', 'US'][pick(i, 3) + 1] as Country,
            pick(i, 8) + 1 as SupportRepId from range(59) r(i)""",
        "Invoice": """select i + 1 as InvoiceId, pick(i, 59) + 1 as CustomerId, timestamp '2021-01-01' + i * interval 1 day as InvoiceDate,
            (1 + pick(i, 20)) * 0.99 as Total from range(412) r(i)""",
        "InvoiceLine": """select i + 1 as InvoiceLineId, pick(i, 412) + 1 as InvoiceId, pick(i + 5, 3503) + 1 as TrackId,
            0.99 as UnitPrice, 1 as Quantity from range(2240) r(i)""",
    },
    keys={
        "Artist": ("ArtistId",), "Album": ("AlbumId",), "Genre": ("GenreId",), "MediaType": ("MediaTypeId",),
        "Track": ("TrackId",), "Playlist": ("PlaylistId",), "PlaylistTrack": ("PlaylistId", "TrackId"),
        "Employee": ("EmployeeId",), "Customer": ("CustomerId",), "Invoice": ("InvoiceId",), "InvoiceLine": ("InvoiceLineId",),
    },
    references={
        "Album.ArtistId": "Artist.ArtistId", "Track.AlbumId": "Album.AlbumId", "Track.MediaTypeId": "MediaType.MediaTypeId",
        "Track.GenreId": "Genre.GenreId", "PlaylistTrack.PlaylistId": "Playlist.PlaylistId",
        "PlaylistTrack.TrackId": "Track.TrackId", "Employee.ReportsTo": "Employee.EmployeeId",
        "Customer.SupportRepId": "Employee.EmployeeId", "Invoice.CustomerId": "Customer.CustomerId",
        "InvoiceLine.InvoiceId": "Invoice.InvoiceId", "InvoiceLine.TrackId": "Track.TrackId",
    },
    units=("Customer",),
    personal=frozenset({
        "Employee.LastName", "Employee.FirstName", "Employee.BirthDate", "Employee.Phone", "Customer.FirstName",
        "Customer.LastName", "Customer.Email", "Customer.Phone",
    }),
)  # fmt: skip

RENTAL = KnownSource(
    tables={
        "language": "select i + 1 as language_id, 'language ' || i as name from range(6) r(i)",
        "category": "select i + 1 as category_id, 'category ' || i as name from range(16) r(i)",
        "actor": "select i + 1 as actor_id, given(i) as first_name, family(i) as last_name from range(200) r(i)",
        "film": """select i + 1 as film_id, 'film ' || i as title, pick(i, 6) + 1 as language_id,
            case when i % 9 = 0 then pick(i + 1, 6) + 1 end as original_language_id, 2.99 as rental_rate from range(1000) r(i)""",
        "film_actor": "select distinct pick(i, 200) + 1 as actor_id, pick(i + 1, 1000) + 1 as film_id from range(5462) r(i)",
        "film_category": "select i + 1 as film_id, pick(i, 16) + 1 as category_id from range(1000) r(i)",
        "country": "select i + 1 as country_id, 'country ' || i as country from range(109) r(i)",
        "city": "select i + 1 as city_id, 'city ' || i as city, pick(i, 109) + 1 as country_id from range(600) r(i)",
        "address": f"""select i + 1 as address_id, i || ' High Street' as address, pick(i, 600) + 1 as city_id, {_phone('i')} as phone
            from range(603) r(i)""",
        "store": "select i + 1 as store_id, i + 1 as manager_staff_id, i + 1 as address_id from range(2) r(i)",
        "staff": """select i + 1 as staff_id, given(i) as first_name, family(i) as last_name, i + 3 as address_id, i + 1 as store_id,
            given(i) || '@shop.example' as email from range(2) r(i)""",
        "customer": """select i + 1 as customer_id, pick(i, 2) + 1 as store_id, given(i) as first_name, family(i + 1) as last_name,
            given(i) || i || '@mail.example' as email, i + 5 as address_id, i % 7 > 0 as active from range(599) r(i)""",
        "inventory": "select i + 1 as inventory_id, pick(i, 1000) + 1 as film_id, pick(i + 1, 2) + 1 as store_id from range(4581) r(i)",
        "rental": """select i + 1 as rental_id, timestamp '2022-05-01' + i * interval 20 minute as rental_date,
            pick(i, 4581) + 1 as inventory_id, pick(i + 1, 599) + 1 as customer_id, pick(i, 2) + 1 as staff_id from range(16044) r(i)""",
        "payment": """select i + 1 as payment_id, pick(i + 1, 599) + 1 as customer_id, pick(i, 2) + 1 as staff_id, i + 1 as rental_id,
            2.99 + pick(i, 3) as amount, timestamp '2022-05-02' + i * interval 20 minute as payment_date from range(16044) r(i)""",
    },
    keys={
        **{name: (f"{name}_id",) for name in (
            "language", "category", "actor", "film", "country", "city", "address", "store", "staff", "customer", "inventory",
            "rental", "payment")},
        "film_actor": ("actor_id", "film_id"), "film_category": ("film_id",),
    },
    references={
        "film.language_id": "language.language_id", "film.original_language_id": "language.language_id",
        "film_actor.actor_id": "actor.actor_id", "film_actor.film_id": "film.film_id", "film_category.film_id": "film.film_id",
        "film_category.category_id": "category.category_id", "city.country_id": "country.country_id",
        "address.city_id": "city.city_id", "store.manager_staff_id": "staff.staff_id", "store.address_id": "address.address_id",
        "staff.address_id": "address.address_id", "staff.store_id": "store.store_id", "customer.store_id": "store.store_id",
        "customer.address_id": "address.address_id", "inventory.film_id": "film.film_id", "inventory.store_id": "store.store_id",
        "rental.inventory_id": "inventory.inventory_id", "rental.customer_id": "customer.customer_id",
        "rental.staff_id": "staff.staff_id", "payment.customer_id": "customer.customer_id", "payment.staff_id": "staff.staff_id",
        "payment.rental_id": "rental.rental_id",
    },
    units=("customer",),
    personal=frozenset({
        "actor.first_name", "actor.last_name", "address.address", "address.phone", "staff.first_name", "staff.last_name",
        "staff.email", "customer.first_name", "customer.last_name", "customer.email",
    }),
)  # fmt: skip

SUPPLY = KnownSource(
    tables={
        "region": "select i as r_regionkey, 'region ' || i as r_name from range(5) r(i)",
        "nation": "select i as n_nationkey, 'nation ' || i as n_name, pick(i, 5) as n_regionkey from range(25) r(i)",
        "supplier": f"""select i + 1 as s_suppkey, 'supplier ' || i as s_name, pick(i, 25) as s_nationkey, {_phone('i')} as s_phone,
            pick(i, 9999) / 100 as s_acctbal from range(100) r(i)""",
        "customer": f"""select i + 1 as c_custkey, 'customer ' || i as c_name, pick(i, 25) as c_nationkey, {_phone('i')} as c_phone,
            ['AUTO', 'HOME', 'FOOD'][pick(i, 3) + 1] as c_mktsegment from range(1500) r(i)""",
        "part": "select i + 1 as p_partkey, 'part ' || i as p_name, 9 + pick(i, 100) / 100 as p_retailprice from range(2000) r(i)",
        "partsupp": """select i // 4 + 1 as ps_partkey, (i // 4 + (i % 4) * 26) % 100 + 1 as ps_suppkey, pick(i, 999) as ps_availqty
            from range(8000) r(i)""",
        "orders": """select i * 4 + 1 as o_orderkey, pick(i, 1500) + 1 as o_custkey, date '1992-01-01' + pick(i, 2400) as o_orderdate,
            pick(i, 90000) / 10 as o_totalprice from range(15000) r(i)""",
        "lineitem": """select (i // 4) * 4 + 1 as l_orderkey, i % 4 + 1 as l_linenumber, pick(i, 2000) + 1 as l_partkey,
            (pick(i, 2000) + pick(i + 1, 4) * 26) % 100 + 1 as l_suppkey, pick(i, 50) as l_quantity,
            date '1992-02-01' + pick(i, 2400) as l_shipdate from range(60000) r(i)""",
    },
    keys={
        "region": ("r_regionkey",), "nation": ("n_nationkey",), "supplier": ("s_suppkey",), "customer": ("c_custkey",),
        "part": ("p_partkey",), "partsupp": ("ps_partkey", "ps_suppkey"), "orders": ("o_orderkey",),
        "lineitem": ("l_orderkey", "l_linenumber"),
    },
    references={
        "nation.n_regionkey": "region.r_regionkey", "supplier.s_nationkey": "nation.n_nationkey",
        "customer.c_nationkey": "nation.n_nationkey", "partsupp.ps_partkey": "part.p_partkey",
        "partsupp.ps_suppkey": "supplier.s_suppkey", "orders.o_custkey": "customer.c_custkey",
        "lineitem.l_orderkey": "orders.o_orderkey", "lineitem.l_partkey": "part.p_partkey",
        "lineitem.l_suppkey": "supplier.s_suppkey",
    },
    units=("customer",),
    personal=frozenset({"supplier.s_phone", "customer.c_phone"}),
)  # fmt: skip

WHOLESALE = KnownSource(
    tables={
        "customers": f"""select upper(substr(md5(i::varchar), 1, 5)) as customer_id, 'company ' || i as company_name,
            given(i) || ' ' || family(i) as contact_name, ['DE', 'FR', 'MX'][pick(i, 3) + 1] as country, {_phone('i')} as phone
            from range(91) r(i)""",
        "employees": """select i + 1 as employee_id, family(i) as last_name, given(i) as first_name,
            date '1960-03-01' + (i * 500)::int as birth_date, case when i > 0 then 1 + pick(i, i) end as reports_to,
            unhex('FFD8FFE000104A46494600') || encode(repeat('x', i + 9)) as photo,
            given(i) || ' ' || family(i) || ' joined in spring. Call her under +49 30 123456' || i || ' for questions.' as notes
            from range(9) r(i)""",
        "shippers": "select i + 1 as shipper_id, 'carrier ' || i as company_name from range(3) r(i)",
        "suppliers": "select i + 1 as supplier_id, 'maker ' || i as company_name, given(i) || ' ' || family(i) as contact_name from range(29) r(i)",
        "categories": """select i + 1 as category_id, 'category ' || i as category_name,
            unhex('89504E470D0A1A0A') || encode(repeat('y', i + 9)) as picture from range(8) r(i)""",
        "products": """select i + 1 as product_id, 'product ' || i as product_name, pick(i, 29) + 1 as supplier_id,
            pick(i, 8) + 1 as category_id, pick(i, 9000) / 100 as unit_price from range(77) r(i)""",
        "orders": """select 10248 + i as order_id, upper(substr(md5(pick(i, 91)::varchar), 1, 5)) as customer_id, pick(i, 9) + 1 as employee_id,
            date '1996-07-04' + i::int as order_date, pick(i + 1, 3) + 1 as ship_via, pick(i, 900) / 10 as freight from range(830) r(i)""",
        "order_details": """select distinct 10248 + i // 3 as order_id, (pick(i // 3, 77) + i % 3) % 77 + 1 as product_id, 9.5 as unit_price,
            i % 3 + 1 as quantity from range(2490) r(i)""",
    },
    keys={
        "customers": ("customer_id",), "employees": ("employee_id",), "shippers": ("shipper_id",), "suppliers": ("supplier_id",),
        "categories": ("category_id",), "products": ("product_id",), "orders": ("order_id",),
        "order_details": ("order_id", "product_id"),
    },
    references={
        "employees.reports_to": "employees.employee_id", "products.supplier_id": "suppliers.supplier_id",
        "products.category_id": "categories.category_id", "orders.customer_id": "customers.customer_id",
        "orders.employee_id": "employees.employee_id", "orders.ship_via": "shippers.shipper_id",
        "order_details.order_id": "orders.order_id", "order_details.product_id": "products.product_id",
    },
    units=("customers",),
    personal=frozenset({
        "customers.contact_name", "customers.phone", "employees.last_name", "employees.first_name", "employees.birth_date",
        "employees.photo", "employees.notes", "suppliers.contact_name",
    }),
)  # fmt: skip

GENERATED = {"music": MUSIC, "rental": RENTAL, "supply": SUPPLY, "wholesale": WHOLESALE}
