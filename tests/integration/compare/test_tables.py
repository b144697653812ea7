"""Names, formats, keys, units, examples and failures of comparing files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.compare import OutputRules, Tolerance, compare_tables, resolve_tables
from sandbox.engine.duckdb.session import Session, quote_literal
from sandbox.errors import ConfigError, DataRuleError, PipelineError, SandboxError, SourceError
from sandbox.model import SilentProgress, TableFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.compare import TableOrigin
    from sandbox.manifest.diff import OutputDiff

CUSTOMERS = {"customers": ("customer_id",)}


def parquet(path: Path, columns: dict[str, Any] | list[tuple[str, Any]]) -> TableFiles:
    pairs = list(columns.items()) if isinstance(columns, dict) else columns
    table = pa.Table.from_arrays([pa.array(values) for _, values in pairs], names=[name for name, _ in pairs])
    pq.write_table(table, path)
    return TableFiles(name=path.stem, format="parquet", paths=(path,))


def diff(
    baseline: TableFiles,
    candidate: TableFiles,
    rules: OutputRules | None = None,
    units: dict[str, tuple[str, ...]] | None = None,
    origin: TableOrigin = "project",
    **rest: Any,
) -> OutputDiff:
    return compare_tables(
        {"t": baseline},
        {"t": candidate},
        rules={"t": rules} if rules else {},
        units=CUSTOMERS if units is None else units,
        identical=rest.get("identical", ()),
        memory=rest.get("memory", 2**28),
        threads=rest.get("threads", 2),
        progress=SilentProgress(),
        origin=origin,
    )["t"]


ODD = [
    'q"uote', "with space", "select", "🦆", "v0", "r0", "h", "b", "c", "n", "paired", "it's", "", ".", "%s", "{x}",
    "<script>", "_\u202eevil", "line\nbreak", "null", "differs",
]  # fmt: skip


def test_columns_of_any_name_are_compared(tmp_path: Path) -> None:
    before = parquet(tmp_path / "a.parquet", {"id": [1, 2], **{name: [1, 2] for name in ODD}})
    after = parquet(tmp_path / "b.parquet", {"id": [1, 2], **{name: [1, 3] for name in ODD}})
    found = diff(before, after, OutputRules(key=("id",)))
    assert {name: column.changed for name, column in found.columns.items()} == {
        "id": 0,
        **dict.fromkeys(ODD, 1),
    }
    keyed = diff(before, after, OutputRules(key=tuple(ODD)))
    assert (keyed.rows.added, keyed.rows.removed, keyed.rows.unchanged) == (1, 1, 1)


def test_names_that_differ_in_capitals_only_are_different_columns(tmp_path: Path) -> None:
    before = parquet(tmp_path / "a.parquet", [("id", [1]), ("a", [1]), ("A", [2]), ("B", [3])])
    after = parquet(tmp_path / "b.parquet", [("id", [1]), ("A", [9]), ("a", [1]), ("b", [3])])
    found = diff(before, after, OutputRules(key=("id",)))
    assert {name: column.changed for name, column in found.columns.items()} == {"id": 0, "a": 0, "A": 1}
    assert (found.schema_.added, found.schema_.removed) == (["b"], ["B"])
    assert found.schema_.reordered


def test_nested_fields_are_not_mistaken_for_columns(tmp_path: Path) -> None:
    rows = [{"x": 1, "deep": {"y": [1, 2], "m": "z"}}, None]
    before = parquet(tmp_path / "a.parquet", [("s", rows), ("a", [1, 2]), ("A", [3, 4]), ("l", [[1], None])])
    found = diff(before, before, OutputRules(key=("a",)))
    assert list(found.columns) == ["s", "a", "A", "l"]


def test_renamed_and_ignored_columns(tmp_path: Path) -> None:
    before = parquet(tmp_path / "a.parquet", {"id": [1, 2], "value": [1, 2], "loaded": [1, 1], "gone": [0, 0]})
    after = parquet(tmp_path / "b.parquet", {"id": [1, 2], "ltv": [1, 5], "loaded": [2, 2], "new": [0, 0]})
    found = diff(
        before,
        after,
        OutputRules(key=("id",), rename={"ltv": "value", "not_there": "gone"}, ignore=frozenset({"loaded"})),
    )
    assert found.schema_.renamed == {"value": "ltv"}
    assert (found.schema_.added, found.schema_.removed, found.ignored) == (["new"], ["gone"], ["loaded"])
    assert found.columns["value"].changed == found.rows.changed == 1


def test_all_formats_of_one_table_are_the_same(tmp_path: Path) -> None:
    query = "select i as id, 'n' || i as name, i / 4 as part from range(20) t(i)"
    with Session() as session:
        for name in ("t.parquet", "t.csv", "t.jsonl"):
            kind = "(format json)" if name.endswith("jsonl") else ""
            target = quote_literal(str(tmp_path / name))
            session.execute(f"copy ({query}) to {target} {kind}")
        session.execute(f"attach {quote_literal(str(tmp_path / 't.duckdb'))} as f")
        session.execute(f"create schema f.s; create table f.s.t as {query}")
    named = [str(tmp_path / name) for name in ("t.parquet", "t.csv", "t.jsonl", "t.duckdb:s.t")]
    for one in named:
        for other in named:
            found = diff(*resolve_tables(one, other), units={}, origin="tables")
            assert found.rows.unchanged == 20, (one, other)
            assert found.key.columns == ["id"]


def test_parts_with_other_columns_are_read_by_name(tmp_path: Path) -> None:
    first = parquet(tmp_path / "1.parquet", {"id": [1], "v": [1]})
    second = parquet(tmp_path / "2.parquet", {"id": [2], "w": [5], "v": [2]})
    both = TableFiles(name="t", format="parquet", paths=(*first.paths, *second.paths))
    whole = parquet(tmp_path / "whole.parquet", {"id": [1, 2], "v": [1, 2], "w": [None, 6]})
    found = diff(whole, both, OutputRules(key=("id",)))
    assert found.columns["w"].changed == found.rows.changed == 1


def test_the_key_is_found_by_name_and_only_if_unique_on_both_sides(tmp_path: Path) -> None:
    columns = {"amount": [1.5, 2.5, 3.5], "n": [7, 8, 9], "order_id": [1, 2, 3], "customer_id": [4, 5, 6]}
    before = parquet(tmp_path / "a.parquet", columns)
    assert diff(before, before).key.columns == ["customer_id"]
    assert diff(before, before, units={}).key.columns == ["order_id"]
    after = parquet(tmp_path / "b.parquet", {**columns, "customer_id": [4, 4, 6], "order_id": [1, 2, None]})
    found = diff(before, after)
    assert (found.key.columns, found.key.source) == (["n"], "inferred")  # not customer_id and n: a key is minimal


def test_a_changed_value_beside_the_key_is_no_row_that_came_and_one_that_went(tmp_path: Path) -> None:
    columns = {"Country": ["DE", "DE", "FR"], "CustomerId": [1, 2, 3], "Total": [5, 5, 5]}
    before = parquet(tmp_path / "a.parquet", columns)
    after = parquet(tmp_path / "b.parquet", {**columns, "Country": ["DE", "FR", "FR"]})
    found = diff(before, after, units={})
    assert (found.key.columns, found.rows.changed, found.rows.added) == (["CustomerId"], 1, 0)
    other = {("Nummer" if name == "CustomerId" else name): values for name, values in columns.items()}
    before = parquet(tmp_path / "c.parquet", other)
    after = parquet(tmp_path / "d.parquet", {**other, "Country": ["DE", "FR", "FR"]})
    found = diff(before, after, units={})
    assert (found.key.columns, found.rows.changed, found.rows.added) == (["Nummer"], 1, 0)


def test_a_composite_key_of_dimensions_comes_before_a_number_that_is_unique_by_accident(
    tmp_path: Path,
) -> None:
    before = parquet(
        tmp_path / "a.parquet",
        {"customers": [10, 20, 30, 40], "country": ["DE", "DE", "FR", "FR"], "segment": ["a", "b", "a", "b"]},
    )
    assert diff(before, before).key.columns == ["country", "segment"]


def test_repeated_and_null_keys_are_counted_and_never_paired(tmp_path: Path) -> None:
    before = parquet(tmp_path / "a.parquet", {"id": [1, 1, 2, None, 3], "v": [1, 2, 3, 4, 5]})
    after = parquet(tmp_path / "b.parquet", {"id": [1, 1, 2, None, 3], "v": [2, 9, 3, 8, 6]})
    found = diff(before, after, OutputRules(key=("id",)))
    assert (found.key.baseline_duplicates, found.key.candidate_duplicates) == (2, 2)
    assert (found.key.baseline_nulls, found.key.candidate_nulls) == (1, 1)
    assert (found.rows.removed, found.rows.added, found.rows.changed, found.rows.unchanged) == (2, 2, 1, 2)


def test_one_key_of_very_many_rows_does_not_explode(tmp_path: Path) -> None:
    """A join would make ten billion rows, which fill the disk before this ends."""
    many = 100_000
    before = parquet(tmp_path / "a.parquet", {"id": [1] * many + list(range(many)), "v": [0] * (2 * many)})
    after = parquet(tmp_path / "b.parquet", {"id": [1] * many + list(range(many)), "v": [0] * (2 * many - 1) + [1]})
    found = diff(before, after, OutputRules(key=("id",)))
    assert (found.rows.changed, found.rows.different) == (1, 1)


def test_units_of_changed_added_and_removed_rows_are_counted_once(tmp_path: Path) -> None:
    before = parquet(tmp_path / "a.parquet", {"order_id": [1, 2, 3, 4], "customer_id": [1, 1, 2, 3], "v": [1, 1, 1, 1]})
    after = parquet(
        tmp_path / "b.parquet", {"order_id": [1, 2, 3, 5], "customer_id": [1, 1, 4, None], "v": [2, 2, 1, 1]}
    )
    found = diff(before, after, OutputRules(key=("order_id",)))
    # 1 changed twice, 2 became 4, 3 was removed; the added row names no unit.
    assert found.estimate.units_affected is not None
    assert found.estimate.units_affected.sample == 4
    assert (found.estimate.unit, found.estimate.status) == ("customers", "not_estimated")
    renamed = diff(before, after, OutputRules(key=("order_id",), unit_key=("v",)))
    assert renamed.estimate.units_affected is not None
    assert renamed.estimate.units_affected.sample == 2
    other = diff(before, after, OutputRules(key=("order_id",)), units={"shops": ("shop_id",)})
    assert other.estimate.units_affected is None
    assert "unit_key" in str(other.estimate.reason)


def test_examples_do_not_depend_on_threads_or_the_order_of_rows(tmp_path: Path) -> None:
    numbers = list(range(2000))
    before = parquet(tmp_path / "a.parquet", {"id": numbers, "v": numbers})
    after = parquet(
        tmp_path / "b.parquet", {"id": [n + 7 for n in numbers], "v": [n + 7 + (n % 3 == 0) for n in numbers]}
    )
    back = parquet(
        tmp_path / "c.parquet",
        {"id": [n + 7 for n in numbers[::-1]], "v": [n + 7 + (n % 3 == 0) for n in numbers[::-1]]},
    )
    first = diff(before, after, OutputRules(key=("id",)), threads=1).examples
    assert [example.kind for example in first] == ["changed"] * 5 + ["removed"] * 5 + ["added"] * 5
    assert diff(before, back, OutputRules(key=("id",)), threads=2).examples == first
    for example in first[:5]:
        assert example.key["id"] == (example.baseline or {})["v"]


def test_empty_tables_and_outputs_of_one_side(tmp_path: Path) -> None:
    empty = parquet(tmp_path / "a.parquet", {"id": pa.array([], pa.int64())})
    full = parquet(tmp_path / "b.parquet", {"id": [1, 2]})
    assert diff(empty, full, OutputRules(key=("id",))).rows.added == 2
    assert diff(empty, empty, OutputRules(key=("id",))).is_same
    assert diff(empty, empty).is_same
    given = compare_tables(
        {"gone": full},
        {"new": full},
        rules={},
        units={},
        identical=(),
        memory=2**28,
        threads=1,
        progress=SilentProgress(),
    )
    assert [(name, one.status, one.rows.added, one.rows.removed) for name, one in given.items()] == [
        ("gone", "removed", 0, 2),
        ("new", "added", 2, 0),
    ]


def test_tables_without_a_common_column_share_no_row(tmp_path: Path) -> None:
    before, after = (
        parquet(tmp_path / "a.parquet", {"a": [1, 2]}),
        parquet(tmp_path / "b.parquet", {"b": [1]}),
    )
    found = diff(before, after)
    assert (found.rows.removed, found.rows.added, found.rows.unchanged) == (2, 1, 0)
    assert (found.schema_.removed, found.schema_.added) == (["a"], ["b"])
    ignored = diff(before, after, OutputRules(ignore=frozenset({"a", "b"})))
    assert (ignored.rows.removed, ignored.rows.added, ignored.rows.unchanged) == (1, 0, 1)


def test_identical_files_are_only_counted(tmp_path: Path) -> None:
    table = parquet(tmp_path / "a.parquet", {"id": [1, 2], "v": [1, None]})
    found = diff(table, table, identical=["t"])
    assert found.identical
    assert found.rows.unchanged == 2
    assert found.columns["v"].match_rate == 1.0


@pytest.mark.parametrize(("origin", "failure"), [("project", ConfigError), ("tables", DataRuleError)])
def test_a_key_that_is_not_there_names_the_nearest_column(
    tmp_path: Path, origin: TableOrigin, failure: type[SandboxError]
) -> None:
    table = parquet(tmp_path / "a.parquet", {"customer_id": [1]})
    with pytest.raises(failure, match='"custmer_id"') as raised:
        diff(table, table, OutputRules(key=("custmer_id",)), origin=origin)
    assert raised.value.hint == 'did you mean "customer_id"?'


@pytest.mark.parametrize(
    ("rules", "said", "hint"),
    [
        (OutputRules(rename={"ltvv": "valu"}), 'rename of t names "ltvv"', 'did you mean "ltv"?'),
        (OutputRules(ignore=frozenset({"valu"})), 'ignore of t names "valu"', 'did you mean "value"?'),
        (
            OutputRules(rename={"ltv": "value"}, tolerance={"ltv": Tolerance(abs=1)}),
            'tolerance of t names "ltv", which is value in production',
            'columns are called as in production: "value"',
        ),
        (
            OutputRules(rename={"ltv": "value"}, ignore=frozenset({"ltv"})),
            'ignore of t names "ltv", which is value in production',
            'columns are called as in production: "value"',
        ),
    ],
)
def test_a_rule_for_a_column_that_is_not_there_is_an_error(
    tmp_path: Path, rules: OutputRules, said: str, hint: str
) -> None:
    baseline = parquet(tmp_path / "a.parquet", {"id": [1], "value": [1]})
    candidate = parquet(tmp_path / "b.parquet", {"id": [1], "ltv": [1]})
    with pytest.raises(ConfigError, match=said) as raised:
        diff(baseline, candidate, rules)
    assert raised.value.hint == hint


@pytest.mark.parametrize("broken", ["truncated", "text", "empty", "inside"])
def test_an_output_that_cannot_be_read_is_named(tmp_path: Path, broken: str) -> None:
    good = parquet(tmp_path / "good.parquet", {"id": list(range(5000)), "v": [str(n) * 9 for n in range(5000)]})
    content = good.paths[0].read_bytes()
    path = tmp_path / "sales.parquet"
    path.write_bytes(
        {
            "truncated": content[: len(content) // 2],
            "text": b"no parquet at all",
            "empty": b"",
            "inside": content[:400] + b"\xff" * 4000 + content[4400:],
        }[broken]
    )
    bad = TableFiles(name="sales", format="parquet", paths=(path,))
    with pytest.raises(PipelineError, match=r"the candidate's sales \(sales.parquet\) cannot be read"):
        diff(good, bad, OutputRules(key=("id",)))
    with pytest.raises(SourceError, match=r"the baseline's sales"):
        diff(bad, good, OutputRules(key=("id",)), origin="tables")


def test_a_misspelt_table_of_a_database_is_suggested(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with Session() as session:
        session.execute(f"attach {quote_literal(str(path))} as f; create table f.customers as select 1 as id")
        session.execute("create view f.peek as select 1 as id")
    with pytest.raises(SourceError, match="no table 'custmers'") as raised:
        diff(*resolve_tables(f"{path}:custmers", f"{path}:customers"), origin="tables")
    assert raised.value.hint == 'did you mean "customers"?'
    with pytest.raises(SourceError, match="no table 'peek'"):  # a view would run its query here
        diff(*resolve_tables(f"{path}:peek", f"{path}:customers"), origin="tables")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nowhere.parquet", "is not there"),
        ("nowhere.duckdb:t", "is not there"),
        ("notes.txt", "not of a known format"),
        ("empty", "holds no table"),
        ("mixed", "several formats"),
        ("w.duckdb", "a database, not a table"),
        ("w.duckdb:", "names no table"),
    ],
)
def test_what_is_no_table_is_said_with_what_to_name(tmp_path: Path, named: str, said: str) -> None:
    for name in ("notes.txt", "w.duckdb", "mixed/a.csv", "mixed/b.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=said) as raised:
        resolve_tables(str(tmp_path / named), str(tmp_path / named))
    assert raised.value.hint


@pytest.mark.parametrize("member", ["plain", "with:colon", "of.duckdb:name", "s.t"])
def test_a_table_of_a_database_may_have_any_name(tmp_path: Path, member: str) -> None:
    place = tmp_path / "odd.duckdb:folder" / "w.duckdb"
    place.parent.mkdir()
    with Session() as session:
        session.execute(f"attach {quote_literal(str(place))} as w")
        session.execute("create schema w.s")
        for name in ("plain", "with:colon", "of.duckdb:name"):
            session.execute(f'create table w."{name}" as select 1 as id')
        session.execute("create table w.s.t as select 1 as id")
    both = resolve_tables(f"{place}:{member}", f"{place}:{member}")
    assert both[0].member == member
    assert diff(*both, origin="tables").rows.unchanged == 1


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    parquet(tmp_path / "t" / "part-1.parquet", {"id": [1]})
    parquet(tmp_path / "t" / "part-2.parquet", {"id": [2]})
    (tmp_path / "t" / "_SUCCESS").write_text("")
    folder, _ = resolve_tables(str(tmp_path / "t"), str(tmp_path / "t"))
    assert [path.name for path in folder.paths] == ["part-1.parquet", "part-2.parquet"]
    assert diff(folder, folder, origin="tables").rows.unchanged == 2


def test_a_wide_table_is_compared(tmp_path: Path) -> None:
    wide = {f"c{place}": [place, place + 1] for place in range(150)}
    before = parquet(tmp_path / "a.parquet", {"id": [1, 2], **wide})
    after = parquet(tmp_path / "b.parquet", {"id": [1, 2], **wide, "c149": [149, 0]})
    found = diff(before, after, memory=2**30)
    assert found.columns["c149"].changed == found.rows.changed == 1
    assert sum(column.changed for column in found.columns.values()) == 1


LARGE = "select i as id, 'k' || (i % 300) as part, i // 300 as number, hash(i) % 97 as v from range(150000) t(i)"


@pytest.mark.parametrize(
    ("key", "baseline", "duplicates", "nulls"),
    [
        ("id", LARGE, 0, 0),
        ("id", f"from ({LARGE}) order by hash(id)", 0, 0),
        ("part, number", LARGE, 0, 0),
        ("id", f"select * replace (if(id = 149000, 148999, id) as id) from ({LARGE})", 2, 0),
        ("id", f"select * replace (if(id = 149000, null, id) as id) from ({LARGE})", 0, 1),
        ("", f"select part, v from ({LARGE})", 0, 0),
    ],
)
def test_a_large_table_is_compared_like_a_small_one(
    tmp_path: Path, key: str, baseline: str, duplicates: int, nulls: int
) -> None:
    """Equal rows are set aside before; what is told of them, as of keys that both sides repeat alike, must not change."""
    candidate = f"select * replace (v + (hash(part, v) % 50 = 0)::int as v) from ({baseline}) where v <> 11"
    files = []
    with Session() as session:
        for side, query in (
            ("baseline", baseline),
            ("candidate", f"from ({candidate}) order by hash(v, part)"),
        ):
            path = tmp_path / f"{side}.parquet"
            session.execute(f"copy ({query}) to {quote_literal(str(path))}")
            files.append(TableFiles(name="t", format="parquet", paths=(path,)))
        [(same,)] = session.fetch_rows(f"select count(*) from ((from ({baseline})) intersect all (from ({candidate})))")
        [(moved,)] = session.fetch_rows(
            f"select count(*) filter (v <> 11 and hash(part, v) % 50 = 0) from ({baseline})"
        )
    names = tuple(key.split(", ")) if key else ()
    found = diff(files[0], files[1], OutputRules(key=names or None))
    assert (found.key.baseline_duplicates, found.key.baseline_nulls) == (duplicates, nulls)
    assert found.rows.unchanged == same
    assert found.rows.changed in ((moved, moved - 1) if names else (0,))


def test_wide_tables_are_compared_like_narrow_ones(tmp_path: Path) -> None:
    """In one session with a narrow table before and after: what is stored of one is no other's."""
    before = {"id": [1, 2, 3], **{f"c{number}": [number, 1, 2] for number in range(150)}}
    after = before | {"c7": [None, 1, 2], "c149": [0, 1, 2], "id": [1, 2, 4]}
    wide = [parquet(tmp_path / f"{side}.parquet", table) for side, table in (("b", before), ("c", after))]
    narrow = [parquet(tmp_path / f"{side}.parquet", {"id": [1], "v": [side]}) for side in "de"]
    outputs = compare_tables(
        {"1": narrow[0], "2": wide[0], "3": narrow[0]},
        {"1": narrow[1], "2": wide[1], "3": narrow[1]},
        rules={name: OutputRules(key=("id",)) for name in "123"},
        units={},
        identical=(),
        memory=2**28,
        threads=1,
        progress=SilentProgress(),
    )
    found = outputs["2"]
    assert (found.rows.changed, found.rows.added, found.rows.removed) == (1, 1, 1)
    assert {name: column.changed for name, column in found.columns.items() if column.changed} == {"c7": 1, "c149": 1}
    [changed] = [example for example in found.examples if example.kind == "changed"]
    assert (changed.baseline, changed.candidate) == ({"c7": 7, "c149": 149}, {"c7": None, "c149": 0})
    assert outputs["1"] == outputs["3"]
    assert outputs["3"].rows.changed == 1
