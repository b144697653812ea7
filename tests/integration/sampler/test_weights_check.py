"""Weights that do not follow from the manifest and the keys are found, whatever is changed in them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sandbox.engine.duckdb.session import Session
from sandbox.manifest.canonical_json import hash_file
from sandbox.manifest.sample import SampleManifest
from sandbox.model import Sample, SilentProgress
from sandbox.samples.catalog import MANIFEST_FILE
from sandbox.samples.verify import verify_sample
from sandbox.samples.weights_check import find_weights_problems
from tests.projects import SourceProject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = """
[sample]
salt = "s"
unit = "customers"
strata = ["country", "active", { column = "age", bins = [18, 40] }, { column = "city", rare_below = 40 }]
rate = 0.4
min_per_stratum = 2
[tables.customers]
key = ["id", "part"]
references = { friend = "friends.id" }
[tables.friends]
key = ["id"]
keep = "referenced"
"""
CUSTOMERS = """
    select 'k' || range as id, (range % 7)::decimal(9, 2) as part, (range * 7) % 400 as friend,
        case range % 5 when 0 then null when 1 then 'DE' else 'FR' end as country, range % 3 = 0 as active,
        case when range % 11 = 0 then 'nan'::double when range % 13 = 0 then null else range % 90 end as age,
        ['A', 'B', 'C', 'x' || range][1 + range % 4] as city
    from range(900)
"""
# A change of the weights as SQL over them, and what is said of it.
CHANGES = {
    "weight": ("select * replace (weight * 2 as weight) from w", "a probability or a weight"),
    "probability": ("select * replace (probability / 2 as probability) from w", "a probability or a weight"),
    "one key twice, another not": (
        """
        select k.id, k.part, w.* exclude (id, part) from w
        join w k on k.rowid = case when w.rowid = {other} then {first} else w.rowid end
        """,
        "not once",
    ),
    "a stratum lacks a key": ("select * from w where rowid > 0", "another number of keys"),
    "keys of two strata exchanged": (
        """
        select k.id, k.part, w.* exclude (id, part) from w
        join w k on k.rowid = case w.rowid when {first} then {other} when {other} then {first} else w.rowid end
        """,
        "not its row's",
    ),
    "a key that is none": ("select * replace (case when rowid = 0 then 'none' else id end as id) from w", "not one of"),
    "another column": ("select *, 1 as more from w", "the columns of"),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    place = SourceProject(root=tmp_path_factory.mktemp("weights"))
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("friends.parquet", "select range as id from range(400)")
    return place.draw(SETTINGS)[0]


def change_weights(sample: Path, query: str) -> None:
    """Rewrite the weights with a query, and let the manifest say so."""
    path = sample / "weights" / "customers.parquet"
    manifest = json.loads((sample / MANIFEST_FILE).read_text("utf-8"))
    with duckdb.connect() as connection:
        connection.execute(f"create table w as select * from '{path}'")
        (pair,) = connection.execute(
            "select a.rowid, b.rowid from w a, w b where a.stratum <> b.stratum order by all limit 1"
        ).fetchall()
        connection.execute(f"copy ({query.format(first=pair[0], other=pair[1])}) to '{path}' (format parquet)")
    manifest["weights"]["customers"] |= {"bytes": path.stat().st_size, "sha256": hash_file(path)}
    (sample / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")


@pytest.mark.parametrize("name", CHANGES)
def test_changed_weights_are_found(drawn: Sample, tmp_path: Path, name: str) -> None:
    sample = tmp_path / drawn.fingerprint
    shutil.copytree(drawn.path, sample)
    query, message = CHANGES[name]
    change_weights(sample, query)
    assert "weights/customers.parquet" in verify_sample(sample, SilentProgress())[0]
    # A manifest whose fingerprint follows from the changed weights is no better.
    with Session() as session:
        (problem,) = find_weights_problems(session, sample, SampleManifest.read(sample / MANIFEST_FILE))
    assert message in problem
    assert "weights/customers.parquet" in problem


def test_a_key_that_the_rule_does_not_select_is_found(drawn: Sample, tmp_path: Path) -> None:
    """The coefficients of another salt select other keys; strata and counts are as before."""
    sample = tmp_path / drawn.fingerprint
    shutil.copytree(drawn.path, sample)
    assert verify_sample(sample, SilentProgress()) == []
    manifest = SampleManifest.read(sample / MANIFEST_FILE)
    other = manifest.units["customers"].model_copy(update={"coefficients": [1, 2, 3, 4, 5, 6]})
    changed = manifest.model_copy(update={"units": {"customers": other}})
    with Session() as session:
        (problem,) = find_weights_problems(session, sample, changed)
    assert "the sampling rule does not select" in problem


def test_masked_keys_are_no_obstacle(place: SourceProject) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("friends.parquet", "select range as id from range(400)")
    place.copy("orders.parquet", "select 'k' || range as customer, (range % 7)::decimal(9, 2) as part from range(900)")
    reference = """
[[tables.orders.reference]]
columns = ["customer", "part"]
table = "customers"
key = ["id", "part"]
[tables.orders.mask]
customer = "key"
"""
    sample, manifest = place.draw(SETTINGS + reference)
    assert manifest.masking["customers"]["id"].startswith("key")
    assert verify_sample(sample.path, SilentProgress()) == []


OTHER_STRATA = SETTINGS.replace('"country", "active"', '"friends.kind"')


@pytest.mark.parametrize("masked", [False, True])
def test_strata_of_other_tables_are_part_of_the_fingerprint(place: SourceProject, tmp_path: Path, masked: bool) -> None:
    place.copy("customers.parquet", CUSTOMERS)
    place.copy("friends.parquet", "select range as id, range % 3 = 0 as kind from range(400)")
    mask = '[tables.customers.mask]\nid = "hash"\n' if masked else ""
    drawn, manifest = place.draw(OTHER_STRATA + mask)
    assert verify_sample(drawn.path, SilentProgress()) == []
    sample = tmp_path / drawn.fingerprint
    shutil.copytree(drawn.path, sample)
    change_weights(sample, CHANGES["keys of two strata exchanged"][0])
    (problem,) = verify_sample(sample, SilentProgress())
    assert problem == "weights/customers.parquet does not have the strata and sizes of the fingerprint"
    fields = json.loads((sample / MANIFEST_FILE).read_text("utf-8"))
    unproven = manifest.units["customers"].model_copy(update={"assignment": None})
    with Session() as session:
        changed = manifest.model_copy(update={"units": {"customers": unproven}})
        (problem,) = find_weights_problems(session, drawn.path, changed)
    assert "nothing proves the strata of customers by friends.kind" in problem
    del fields["units"]["customers"]["assignment"]
    (sample / MANIFEST_FILE).write_text(json.dumps(fields), "utf-8")
    assert any("the fingerprint that follows" in problem for problem in verify_sample(sample, SilentProgress()))


def shrink_moment(fields: dict[str, Any]) -> None:
    fields["sizes"]["customers"][0]["moments"][0][2] = 1.0


def forget_largest(fields: dict[str, Any]) -> None:
    fields["sizes"]["customers"][0]["unseen"] = []


def forget_sizes(fields: dict[str, Any]) -> None:
    fields["sizes"] = {}


def claim_earlier_version(fields: dict[str, Any]) -> None:
    fields["format_version"] = 2


@pytest.mark.parametrize("change", [shrink_moment, forget_largest, forget_sizes, claim_earlier_version])
def test_recorded_sizes_are_part_of_the_fingerprint(
    drawn: Sample, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    sample = tmp_path / drawn.fingerprint
    shutil.copytree(drawn.path, sample)
    fields = json.loads((sample / MANIFEST_FILE).read_text("utf-8"))
    change(fields)
    (sample / MANIFEST_FILE).write_text(json.dumps(fields), "utf-8")
    assert verify_sample(sample, SilentProgress()) != []


def test_sizes_of_sampled_units_are_those_of_the_fingerprint(drawn: Sample, tmp_path: Path) -> None:
    manifest = SampleManifest.read(drawn.path / MANIFEST_FILE)
    (size,) = [size for size in manifest.sizes["customers"] if size.column == "age"]
    sample = tmp_path / drawn.fingerprint
    shutil.copytree(drawn.path, sample)
    change_weights(sample, f'select * replace ("{size.name}" / 2 as "{size.name}") from w')
    assert verify_sample(sample, SilentProgress()) == [
        "weights/customers.parquet does not have the strata and sizes of the fingerprint"
    ]
    with Session() as session:
        earlier = manifest.model_copy(update={"sizes_are_proven": False})
        (problem,) = find_weights_problems(session, drawn.path, earlier)
    assert problem == "nothing proves the sizes of customers: an earlier version of sandbox drew the sample"
