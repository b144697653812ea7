"""``sandbox.toml``: what it gives, and how its problems are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.config import load_project
from sandbox.errors import ConfigError
from tests.headers import MINIMAL

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project


def read(folder: Path, text: str, environ: dict[str, str] | None = None, **flags: str) -> Project:
    (folder / "sandbox.toml").write_text(text, "utf-8")
    given: dict[tuple[str, ...], str] = {("stack", name): value for name, value in flags.items()}
    return load_project(None, start=folder, environ=environ or {}, flags=given)


def refusal(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, environ)
    return caught.value.message


def test_minimal_file_has_the_documented_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, MINIMAL).settings
    assert settings.sample.salt == ""
    assert settings.sample.min_per_stratum == 30
    assert settings.stack.python == "3.13"
    assert settings.stack.limits.memory == 4 * 10**9
    assert settings.pipeline.production == "main"


def test_file_is_found_in_a_folder_above(tmp_path: Path) -> None:
    (tmp_path / "sandbox.toml").write_text(MINIMAL)
    below = tmp_path / "models" / "ä b"
    below.mkdir(parents=True)
    assert load_project(None, start=below, environ={}, flags={}).root == tmp_path.resolve()


def test_missing_file_says_what_to_type_next(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no sandbox\.toml") as caught:
        load_project(None, start=tmp_path, environ={}, flags={})
    assert "sandbox demo" in caught.value.hint


def test_flag_wins_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    text = MINIMAL + '[stack]\nruntime = "docker"\n'
    assert read(tmp_path, text).settings.stack.runtime == "docker"
    variables = {"SANDBOX_RUNTIME": "local"}
    assert read(tmp_path, text, variables).settings.stack.runtime == "local"
    assert read(tmp_path, text, variables, runtime="auto").settings.stack.runtime == "auto"


def test_environment_sets_numbers_sizes_and_texts_that_look_like_numbers(tmp_path: Path) -> None:
    variables = {
        "SANDBOX_STACK_PYTHON": "3.12",
        "SANDBOX_STACK_LIMITS_CPUS": "1.5",
        "SANDBOX_STACK_LIMITS_MEMORY": "2GB",
        "SANDBOX_SAMPLE_SALT": "2026",
        "SANDBOX_SAMPLE_RATE": "0.5",
        "SANDBOX_NONSENSE": "1",
    }
    settings = read(tmp_path, MINIMAL, variables).settings
    assert settings.stack.python == "3.12"
    assert settings.stack.limits.cpus == 1.5
    assert settings.stack.limits.memory == 2 * 10**9
    assert settings.sample.salt == "2026"
    assert settings.sample.rate == 0.5


def test_all_problems_are_told_at_once_with_line_and_suggestion(tmp_path: Path) -> None:
    text = MINIMAL.replace("rate = 0.1", 'ratee = 0.1\nmin_per_stratum = "many"') + (
        '[stack]\nruntime = "dokcer"\n[stack.limits]\nmemory = "4 giga"\n[sourc]\n'
    )
    message = refusal(tmp_path, text)
    assert "5 problems" in message
    assert 'line 8: sample.ratee: unknown key; did you mean "rate"?' in message
    assert "line 9: sample.min_per_stratum: expected a valid integer, not 'many'" in message
    assert (
        "line 13: stack.runtime: expected 'auto', 'docker' or 'local', not 'dokcer'; did you mean \"docker\"?"
        in message
    )
    assert "line 15: stack.limits.memory: expected a size such as" in message
    assert 'line 16: sourc: unknown key; did you mean "source"?' in message


def test_problem_from_the_environment_is_told_too(tmp_path: Path) -> None:
    assert 'did you mean "local"?' in refusal(tmp_path, MINIMAL, {"SANDBOX_RUNTIME": "locl"})


def test_broken_toml_names_the_place(tmp_path: Path) -> None:
    assert "line 1" in refusal(tmp_path, "version = \n")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("rate = 0.1", ""), "needs one of rate, units or size"),
        (("rate = 0.1", "rate = 0.1\nunits = 5"), "rate and units exclude each other"),
        (("rate = 0.1", 'rate = "0%"'), "greater than 0"),
        (("rate = 0.1", "rate = 1.5"), "expected a share such as"),
        (('unit = "customers"', 'unit = "customer"'), 'no [tables.customer]; did you mean "customers"?'),
        (('key = ["id"]', ""), "the unit table needs a key"),
        (('name = "shop"', 'name = "Shop!"'), "project.name"),
        (("version = 1", "version = 2"), "version"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    assert expected in refusal(tmp_path, MINIMAL.replace(*change))


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        ('[tables.orders]\nreferences = { c = "custmers.id" }\n', 'did you mean "customers"?'),
        (
            '[tables.orders]\n[[tables.orders.reference]]\ncolumns = ["a", "b"]\ntable = "customers"\nkey = ["id"]\n',
            "2 columns",
        ),
        (
            '[tables.orders]\nreferences = { c = "customers.id" }\nbelongs_to = "shops"\n',
            "no reference of orders leads to shops",
        ),
        (
            (
                '[tables.orders]\nreferences = { c = "customers.id" }\n'
                '[tables.items]\nreferences = { o = "orders.id", c = "customers.id" }\n'
            ),
            'belongs_to = "orders"',
        ),
        ('[pipeline]\nscratch = ["../x"]\n', "below the folder of sandbox.toml"),
        ('[pipeline]\nenv = { A = "{smple}" }\n', 'did you mean "sample"?'),
        ('[pipeline]\nenv = { A = "{" }\n', "pipeline.env.A"),
        ('[outputs.a]\nkey = ["x"]\nignore = ["x"]\n', "x is a key column"),
        ('[stack]\nimage = "dbt"\n[pipeline]\nkind = "dbt"\ncommand = "dbt run"\n', "calls dbt itself"),
        ('[pipeline]\nkind = "dbt"\n', 'write image = "dbt"'),
        (
            '[pipeline]\nkind = "dbt"\ninputs = ["postgres"]\n',
            "requirements that hold dbt-postgres and duckdb",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(tmp_path: Path, addition: str, expected: str) -> None:
    assert expected in refusal(tmp_path, MINIMAL + addition)


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        ('[stack]\nimage = "pyhton"\n', 'there is no image "pyhton"; did you mean "python"?'),
        (
            '[stack]\nimage = "./docker"\nrequirements = "r.txt"\n',
            "an image of your own brings its libraries",
        ),
        ('[stack]\nimage = "team/pipeline:3"\nruntime = "local"\n', "the local runtime has no images"),
        ('[stack]\nbuild_network = "default"\n', "images of sandbox are built with no network"),
        ('[source.spark]\nmaster = "local[2]"\n', 'is for engine = "spark"'),
        ('[source.spark]\nmaster = "local"\nremote = "sc://h"\n', "exclude each other"),
        ('[source.spark]\nremote = "sc://h/;token=abc"\n', "set SPARK_REMOTE"),
        ('[source.spark]\nwrite = "store"\n', "writes the sample into the store, and there is none"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, addition: str, expected: str) -> None:
    assert expected in refusal(tmp_path, MINIMAL + addition)


@pytest.mark.parametrize("uri", ["ftp://host/x", "oracle://host/db"])
def test_sources_of_other_kinds_are_refused(tmp_path: Path, uri: str) -> None:
    assert "not supported yet" in refusal(tmp_path, MINIMAL.replace("warehouse", uri))


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:s3cr3t@host/db",
        "postgresql://host/db?password=s3cr3t",
        "postgresql://host/db?sslpassword=s3cr3t",
        "snowflake://me:s3cr3t@account/db",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path, uri: str) -> None:
    message = refusal(tmp_path, MINIMAL.replace("warehouse", uri))
    assert "holds a password" in message
    assert "take it out" in message
    assert "s3cr3t" not in message


@pytest.mark.parametrize("scheme", ["bigquery", "trino", "clickhouse", "databricks"])
def test_warehouses_are_refused_as_compiled_and_never_run(tmp_path: Path, scheme: str) -> None:
    message = refusal(tmp_path, MINIMAL.replace("warehouse", f"{scheme}://account/db"))
    assert "compiled for it, and has never been run there" in message


def test_manners_towards_a_database_are_for_databases(tmp_path: Path) -> None:
    more = "[source.postgres]\nstatement_timeout = '5m'\n"
    assert "source.postgres" in refusal(tmp_path, MINIMAL + more)
    found = read(tmp_path, MINIMAL.replace("warehouse", "postgresql://host/db") + more).settings.source.postgres
    assert found is not None
    assert (found.statement_timeout, found.lock_timeout, found.rows_per_second) == (300.0, 10.0, None)


def test_mask_none_is_accepted_because_somebody_looked(tmp_path: Path) -> None:
    project = read(tmp_path, MINIMAL + '[tables.customers.mask]\nnotes = "none"\n')
    assert project.settings.tables["customers"].mask["notes"].kind == "none"


def test_both_forms_of_reference_give_the_same(tmp_path: Path) -> None:
    short = '[tables.orders]\nreferences = { c = "customers.id" }\n'
    long = '[[tables.orders.reference]]\ncolumns = ["c"]\ntable = "customers"\nkey = ["id"]\n'
    given = [read(tmp_path, MINIMAL + form).settings.tables["orders"].all_references for form in (short, long)]
    assert given[0] == given[1]


def test_table_of_a_schema_is_referenced_by_its_last_dot(tmp_path: Path) -> None:
    text = MINIMAL + '[tables."sales.customers"]\n[tables.orders]\nreferences = { c = "sales.customers.id" }\n'
    (reference,) = read(tmp_path, text).settings.tables["orders"].all_references
    assert (reference.table, reference.key) == ("sales.customers", ("id",))
