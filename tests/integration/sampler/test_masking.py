"""Masks in the engine and in draws: types, references, errors, interruption."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.config.sections.sample import MaskEntry
from sandbox.engine.duckdb.session import Session
from sandbox.errors import SourceError
from sandbox.masking import Masking, Secret
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from tests.integration.sampler.conftest import Read
    from tests.projects import SourceProject

SECRET = Secret.from_text("a secret of the tests, 32 and more letters")
COLUMNS = {
    "tiny": ("TINYINT", MaskEntry(kind="key")), "small": ("SMALLINT", MaskEntry(kind="key")), "plain": ("INTEGER", MaskEntry(kind="key")),
    "big": ("BIGINT", MaskEntry(kind="key")), "unsigned": ("UBIGINT", MaskEntry(kind="key")),
    "long": ("DECIMAL(38,0)", MaskEntry(kind="key")), "code": ("VARCHAR", MaskEntry(kind="key")), "id": ("UUID", MaskEntry(kind="key")),
    "mail": ("VARCHAR", MaskEntry(kind="email")), "who": ("VARCHAR", MaskEntry(kind="name")), "tel": ("VARCHAR", MaskEntry(kind="phone")),
    "note": ("VARCHAR", MaskEntry(kind="text")), "digest": ("VARCHAR", MaskEntry(kind="hash")), "raw": ("BLOB", MaskEntry(kind="hash")),
    "day": ("DATE", MaskEntry(kind="date_shift", days=9)), "at": ("TIMESTAMP", MaskEntry(kind="date_shift", days=9)),
    "at_s": ("TIMESTAMP_S", MaskEntry(kind="date_shift", days=9)), "at_ms": ("TIMESTAMP_MS", MaskEntry(kind="date_shift", days=9)),
    "at_ns": ("TIMESTAMP_NS", MaskEntry(kind="date_shift", days=9)),
    "when": ("TIMESTAMP WITH TIME ZONE", MaskEntry(kind="date_shift", days=9)),
    "share": ("DOUBLE", MaskEntry(kind="noise", relative=0.1)), "half": ("FLOAT", MaskEntry(kind="noise", relative=0.1)),
    "money": ("DECIMAL(10,2)", MaskEntry(kind="noise", relative=0.1)), "age": ("UTINYINT", MaskEntry(kind="bucket", width=5)),
    "gone": ("STRUCT(a INTEGER, b VARCHAR[])", MaskEntry(kind="null")), "secret": ("VARCHAR", MaskEntry(kind="redact")),
    "kept": ("JSON", MaskEntry(kind="none")), 'a "quoted" näme': ("VARCHAR", MaskEntry(kind="text")),
}  # fmt: skip
VALUES = """
    select 100::tinyint, 1000::smallint, 100000, 10000000000 + i, 18446744073709551615::ubigint, 10000000000000000000000::decimal(38, 0),
        'ab' || i, '123e4567-e89b-42d3-a456-426614174000'::uuid, 'anna@web.de', 'Anna Lee', '+49 30 123456', 'some text',
        'x', 'x'::blob, date '2020-02-29', timestamp '2020-02-29 12:00:00.123456', timestamp_s '2020-02-29 12:00:00',
        timestamp_ms '2020-02-29 12:00:00.123', timestamp_ns '2020-02-29 12:00:00.123456789',
        timestamptz '2020-02-29 12:00:00+00', 1.5::double, 1.5::float, 1234.56::decimal(10, 2), 42::utinyint,
        {a: 1, b: ['x']}, 'y', '{"a": 1}'::json, 'text', 3 + i
    from range(5000) as r(i)
"""


@pytest.fixture
def session() -> Any:
    with Session(threads=2) as made:
        names = ", ".join('"' + name.replace('"', '""') + f'" {kind}' for name, (kind, _) in COLUMNS.items())
        made.execute(f"create table rows ({names}, unit bigint)")
        made.execute(f"insert into rows {VALUES}")
        made.execute("insert into rows (unit) values (1)")
        yield made


def bound(session: Session, secret: Secret = SECRET) -> Masking:
    masks = {"rows": {name: mask for name, (_, mask) in COLUMNS.items()}}
    return Masking.register(session, masks, secret, {"rows": {name: kind for name, (kind, _) in COLUMNS.items()}})


def test_every_type_is_kept_and_every_value_changed_but_null(session: Session) -> None:
    masking = bound(session)
    for name, (kind, mask) in COLUMNS.items():
        value = '"' + name.replace('"', '""') + '"'
        changed = masking.build_expression("rows", name, unit="unit")
        [(found, same, nulls, rows)] = session.fetch_rows(
            f"select any_value(typeof({changed})), count(*) filter ({changed} = {value}), "
            f"count(*) filter (({changed}) is null), count(*) from rows where {value} is not null"
        )
        assert found == kind or mask.kind == "null", name
        assert same == (rows if mask.kind == "none" else 0), name
        assert nulls == (rows if mask.kind == "null" else 0), name
        assert session.fetch_rows(f"select {changed} from rows where {value} is null") == [(None,)], name


def test_masks_are_the_same_in_another_session_table_and_number_of_threads(session: Session) -> None:
    with Session(threads=1) as other:
        other.execute("create table elsewhere as select 'ab' || i as code from range(4999, -1, -1) as r(i)")
        masking = Masking.register(
            other, {"elsewhere": {"code": MaskEntry(kind="key")}}, SECRET, {"elsewhere": {"code": "VARCHAR"}}
        )
        there = other.fetch_rows(
            f"select code, {masking.build_expression('elsewhere', 'code')} from elsewhere order by code"
        )
    here = session.fetch_rows(
        f"select code, {bound(session).build_expression('rows', 'code')} from rows where code is not null order by code"
    )
    assert here == there


def test_another_secret_gives_other_masks(session: Session) -> None:
    other = Secret.from_text("another secret of the tests, as long as that")
    for name in ("big", "code", "mail", "who", "tel", "note", "digest", "raw", "id", "share", "money"):
        one, two = (bound(session, secret).build_expression("rows", name) for secret in (SECRET, other))
        [(same, rows)] = session.fetch_rows(f"select count(*) filter ({one} = {two}), count({name}) from rows")
        assert same < rows / 100, name


def test_an_alias_says_which_relation_is_meant(session: Session) -> None:
    changed = bound(session).build_expression("rows", "day", unit="unit", row="a")
    assert session.fetch_rows(f"select count({changed}) from rows a join rows b using (unit)")[0][0] == 5000


def test_an_error_in_a_function_becomes_ours_without_values(session: Session) -> None:
    def broken(values: pa.Array) -> pa.Array:
        raise ValueError(f"cannot stand {values[0]}")

    session.register_function("broken", broken, ["VARCHAR"], "VARCHAR")
    with pytest.raises(SourceError, match="writing: ValueError in a function of ours") as caught:
        session.execute("create table broken as select broken(mail) from rows", doing="writing")
    assert "anna" not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert session.fetch_rows("select 1") == [(1,)]


def test_an_interruption_in_a_function_stays_one(session: Session) -> None:
    def interrupted(values: pa.Array) -> pa.Array:
        raise KeyboardInterrupt

    session.register_function("interrupted", interrupted, ["VARCHAR"], "VARCHAR")
    with pytest.raises(KeyboardInterrupt):
        session.fetch_rows("select interrupted(mail) from rows")


ENDLESS = """
import sys
from sandbox.config.sections.sample import MaskEntry
from sandbox.engine.duckdb.session import Session
from sandbox.masking import Masking, Secret
with Session(threads=2) as session:
    masks = {"t": {"x": MaskEntry(kind="key")}}
    masking = Masking.register(session, masks, Secret.from_text("x" * 40), {"t": {"x": "VARCHAR"}})
    print("ready", flush=True)
    try:
        session.fetch_rows(f"select count({masking.build_expression('t', 'x')}) from (select 'a' || i as x from range(10000000000) as r(i))")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("after", [0.5, 1.1])
def test_ctrl_c_ends_a_query_that_is_masking(after: float) -> None:
    running = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    timer = threading.Timer(after, lambda: os.kill(running.pid, signal.SIGINT))
    timer.start()
    assert running.communicate(timeout=PATIENCE_SECONDS)[0] == "interrupted\n"
    assert running.returncode == 0


SHOP = """
[sample]
salt = "s"
unit = "customers"
rate = 0.5
min_per_stratum = 0
[tables.customers]
key = ["id"]
[tables.customers.mask]
id = "key"
email = "email"
born = {{ kind = "date_shift", days = 30 }}
[tables.orders]
key = ["id"]
references = {{ customer = "customers.id", code = "codes.code" }}
[tables.orders.mask]
placed = {{ kind = "date_shift", days = 30 }}
note = "{note}"
[tables.codes]
keep = "all"
[tables.codes.mask]
code = "key"
"""


def source(place: SourceProject) -> None:
    place.copy(
        "customers.parquet",
        "select i as id, 'c' || i || '@web.de' as email, date '1990-01-01' + i::integer as born from range(1, 401) as r(i)",
        "(format parquet)",
    )
    place.copy(
        "orders.parquet",
        "select i as id, (1 + i * 7 % 400)::integer as customer, 'K' || (i % 13) as code, "
        "timestamp '1990-01-01' + to_days((1 + i * 7 % 400)::integer + 10) as placed, 'note of ' || i as note from range(2000) as r(i)",
        "(format parquet)",
    )
    place.copy("codes.parquet", "select 'K' || i as code, i as rank from range(13) as r(i)", "(format parquet)")


def test_a_masked_sample_joins_as_the_source_does(place: SourceProject, read: Read) -> None:
    source(place)
    sample, manifest = place.draw(SHOP.format(note="text"))
    customers: dict[Any, Any] = dict(read(sample, "customers", "id, born"))
    ranks: dict[Any, Any] = dict(read(sample, "codes", "code, rank"))
    orders = read(sample, "orders", "id, customer, code, placed")
    assert 150 < len(customers) < 250
    assert len(orders) == 5 * len(customers)
    ten_days = dt.timedelta(days=10)
    for number, customer, code, placed in orders:
        assert ranks[code] == number % 13
        assert placed.date() - customers[customer] == ten_days, "intervals of a unit survive, from table to table"
    assert manifest.masking == {
        "customers": {"id": "key", "email": "email", "born": "date_shift(days=30)"},
        "orders": {"customer": "key", "code": "key", "placed": "date_shift(days=30)", "note": "text"},
        "codes": {"code": "key"},
    }
    assert manifest.masking_key is not None
    assert len(manifest.masking_key) == 16
    keys = read(sample, "customers", "id")
    assert sorted(row[0] for row in weights(manifest, sample.path)) == sorted(row[0] for row in keys)


def weights(manifest: Any, folder: Path) -> list[tuple[Any, ...]]:
    path = str(folder / manifest.weights["customers"].path).replace("'", "''")
    with Session() as session:
        return session.fetch_rows(f"select id from read_parquet('{path}')")


def test_the_same_secret_gives_the_same_masks_in_another_draw(place: SourceProject, read: Read) -> None:
    source(place)
    first, _ = place.draw(SHOP.format(note="text"))
    second, _ = place.draw(SHOP.format(note="none").replace('salt = "s"', 'salt = "other"'))
    one: dict[Any, Any] = dict(read(first, "customers", "id, email"))
    other: dict[Any, Any] = dict(read(second, "customers", "id, email"))
    both = one.keys() & other.keys()
    assert 50 < len(both) < len(one)
    assert all(one[key] == other[key] for key in both)


def test_another_secret_gives_another_sample(place: SourceProject, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    source(place)
    first, one = place.draw(SHOP.format(note="text"))
    monkeypatch.setenv("SANDBOX_MASK_KEY", "another secret for masks, long enough for it")
    second, other = place.draw(SHOP.format(note="text"))
    assert one.masking_key != other.masking_key
    assert first.fingerprint != second.fingerprint
    before, after = ({row[0] for row in read(sample, "customers", "email")} for sample in (first, second))
    assert len(before & after) < len(before) / 2, "short names have few fakes: some are there again by chance"


def test_a_sample_without_keyed_masks_makes_no_secret(place: SourceProject) -> None:
    place.copy("customers.parquet", "select i as id, 'x' as note from range(50) as r(i)", "(format parquet)")
    sections = SHOP.format(note="text").partition("[tables.orders]")[0].partition("[tables.customers.mask]")[0]
    _, manifest = place.draw(sections + '[tables.customers.mask]\nnote = "redact"\n')
    assert manifest.masking_key is None
    assert not (place.home / "mask.key").exists()


def test_nothing_unmasked_lies_in_the_store(place: SourceProject) -> None:
    source(place)
    sample, _ = place.draw(SHOP.format(note="redact"))
    texts = []
    with Session() as session:
        for path in sample.path.rglob("*.parquet"):
            literal = str(path).replace("'", "''")
            texts.append(str(session.fetch_rows(f"select columns(*)::varchar from read_parquet('{literal}')")))
    texts += [path.read_text() for path in place.home.rglob("*.json")]
    everything = "\n".join(texts)
    assert "redacted" in everything
    assert "web.de" not in everything
    assert "note of" not in everything
