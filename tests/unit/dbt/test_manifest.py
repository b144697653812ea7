"""What a dbt manifest says, beyond what the small project of the end-to-end tests holds."""

from __future__ import annotations

from typing import Any

from sandbox.dbt.manifest import TEST_ORIGIN, parse_manifest
from sandbox.sources.table import DeclaredConstraints


def node(kind: str, name: str, **given: Any) -> dict[str, Any]:
    return {
        "resource_type": kind,
        "name": name,
        "alias": name,
        "depends_on": {"nodes": []},
        "config": {"materialized": "table"},
        "columns": {},
        "original_file_path": f"seeds/{name}.csv",
        **given,
    }


def about(test: str, attached: str, *others: str, **kwargs: Any) -> dict[str, Any]:
    given = {"test_metadata": {"name": test, "kwargs": kwargs}, "attached_node": attached}
    return node("test", test, **given, depends_on={"nodes": [attached, *others]})


def manifest(nodes: dict[str, Any], sources: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"project_name": "shop"}, "nodes": nodes, "sources": sources or {}}


def source(name: str, location: str | None = None) -> dict[str, Any]:
    meta = {"external_location": location} if location else {}
    return {
        "name": name,
        "identifier": name,
        "schema": "raw",
        "source_name": "shop",
        "source_meta": meta,
        "meta": {},
    }


def test_keys_and_references_come_from_tests_also_of_packages_and_with_nested_arguments() -> None:
    found = parse_manifest(
        manifest(
            {
                "model.a": node("model", "a", depends_on={"nodes": ["source.lines", "source.orders"]}),
                "t1": about(
                    "unique_combination_of_columns",
                    "source.lines",
                    combination_of_columns=["order_id", "line"],
                ),
                "t2": about(
                    "relationships",
                    "source.lines",
                    "source.orders",
                    arguments={"field": "id"},
                    column_name="order_id",
                ),
                "t3": about("unique", "source.orders", column_name="lower(code)"),  # an expression is no column
                "t4": {
                    **about("unique", "source.orders", column_name="id"),
                    "config": {"where": "id > 0"},
                },  # of some rows
            },
            {
                "source.lines": source("lines"),
                "source.orders": source("orders"),
                "source.unread": source("unread"),
            },
        )
    )
    assert [one.names for one in found.inputs] == [
        ("raw.lines", "shop.lines", "lines"),
        ("raw.orders", "shop.orders", "orders"),
    ]
    assert found.declarations == {
        "source.lines": DeclaredConstraints(
            key=("order_id", "line"),
            references={("order_id",): ("source.orders", ("id",))},
            evidence=TEST_ORIGIN,
        )
    }


def test_models_have_the_key_that_they_configure_else_the_one_that_is_tested() -> None:
    found = parse_manifest(
        manifest(
            {
                "model.a": node("model", "a", config={"materialized": "incremental", "unique_key": ["x", "y"]}),
                "model.b": node("model", "b", config={"materialized": "incremental", "unique_key": "md5(z)"}),
                "model.c": node("model", "c", config={"materialized": "ephemeral"}),
                "t1": about("unique", "model.b", column_name="z"),
            }
        )
    )
    assert {one.name: one.key for one in found.models} == {"a": ("x", "y"), "b": ("z",)}
    assert found.inputs == ()


def test_seeds_are_the_source_only_where_there_is_no_other() -> None:
    seeds = {"seed.s": node("seed", "s"), "seed.unread": node("seed", "unread")}
    reads = node("model", "a", depends_on={"nodes": ["seed.s", "source.orders"]})
    alone = parse_manifest(manifest({**seeds, "model.a": reads}))
    assert [(one.names, one.file, one.seed) for one in alone.inputs] == [(("s", "s"), "seeds/s.csv", True)]
    both = parse_manifest(
        manifest({**seeds, "model.a": reads}, {"source.orders": source("orders", "'data/{name}.parquet'")})
    )
    assert [(one.id, one.file, one.seed) for one in both.inputs] == [("source.orders", "data/orders.parquet", False)]
    pattern = parse_manifest(manifest({"model.a": reads}, {"source.orders": source("orders", "data/{name}/*.csv")}))
    assert pattern.inputs[0].file is None
