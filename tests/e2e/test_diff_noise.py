"""What differs between two runs of the same code is told from what a change does."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.projects import Shop

PLAIN = "count(order_id) as orders"
GROUPED = ("group by all order by", "group by customer_id, country order by")
CLOCK_AND_DICE = f"{PLAIN}, random() as luck, now() as loaded_at"
THREADS = f"{PLAIN}, {{os.environ['OMP_NUM_THREADS']}} as threads"


def make(shop: Shop, columns: str) -> None:
    """Let production's code have further columns, and read orders from several files."""
    shop.edit("pipeline.py", *GROUPED)
    shop.edit("pipeline.py", PLAIN, columns)
    shop.git("commit", "-am", "more columns")


def in_parts(shop: Shop) -> None:
    """Split orders into four files; as a draw of its own, because equal rows in one file are the same sample."""
    shop.edit("sandbox.toml", 'salt = "test"', 'salt = "parts"')
    folder = shop.root / "warehouse" / "orders"
    folder.mkdir()
    header, *rows = (shop.root / "warehouse" / "orders.csv").read_text().splitlines()
    for part in range(4):
        lines = [header, *rows[part * 500 : (part + 1) * 500]]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
    (shop.root / "warehouse" / "orders.csv").unlink()


def touch(shop: Shop) -> None:
    """Change the code in a way that changes nothing it does."""
    with (shop.root / "pipeline.py").open("a") as file:
        file.write("# no difference\n")


def diff(shop: Shop, *flags: str, status: int) -> dict[str, Any]:
    done = shop.run("diff", "--json", *flags)
    assert done.status == status, done.stderr + done.stdout[:2000]
    found: dict[str, Any] = done.json
    return found


def test_clock_and_dice_are_named_as_noise_and_accepted(shop: Shop) -> None:
    """Takes long: each of several diffs runs the baseline twice."""
    make(shop, CLOCK_AND_DICE)
    touch(shop)
    document = diff(shop, status=0)
    assert document["verdict"] == "within_gate"
    output = document["outputs"]["value"]
    assert sorted(output["tainted"]) == ["loaded_at", "luck"]
    assert output["rows"]["changed"] == output["rows"]["noise"] > 100
    assert document["repeat"]["variation"] == {"threads": 2, "file_order": "reversed"}
    assert any(
        "loaded_at, luck; there only the distribution of values is judged" in one for one in document["warnings"]
    )

    again = diff(shop, status=0)
    assert again["repeat"]["cached"]
    assert again["repeat"]["run"] == document["repeat"]["run"]

    shop.edit("pipeline.py", "coalesce(sum(amount), 0)", "coalesce(sum(amount), 0) + (customer_id % 10 = 0)::int")
    changed = diff(shop, status=1)
    rows = changed["outputs"]["value"]["rows"]
    assert 0 < rows["changed"] - rows["noise"] == changed["outputs"]["value"]["columns"]["total"]["changed"]
    assert not changed["repeat"]["cached"], "the clock has to have moved as far as it has for the candidate"
    assert all(rule["held"] for rule in changed["gate"] if rule["rule"] == "nondeterministic")

    shop.edit("pipeline.py", "random() as luck", "random() * 1000 as luck")
    shop.edit("pipeline.py", " + (customer_id % 10 = 0)::int", "")
    scaled = diff(shop, status=1)
    [broken] = [rule for rule in scaled["gate"] if not rule["held"]]
    assert (broken["rule"], broken["accept"]) == ("nondeterministic", '[outputs.value.gate] nondeterministic = "any"')
    assert {name: column["kind"] for name, column in scaled["outputs"]["value"]["nondeterministic"].items()} == {
        "loaded_at": "times",
        "luck": "numbers",
    }


def test_clock_and_dice_are_noise_on_docker(shop: Shop, engine: str) -> None:
    in_parts(shop)
    make(shop, f"{CLOCK_AND_DICE}, first(order_id) as any_order, {{os.environ['OMP_NUM_THREADS']}} as threads")
    touch(shop)
    document = diff(shop, "--runtime", engine, status=0)
    assert document["verdict"] == "within_gate"
    assert {"loaded_at", "luck", "threads"} <= set(document["outputs"]["value"]["tainted"])
    assert document["environment"]["isolated"]


def test_file_order_and_thread_count_vary_where_outputs_differ(shop: Shop) -> None:
    in_parts(shop)
    shop.edit("pipeline.py", "sum(amount)", "sum(amount::decimal(12, 2))")  # sums that no order can change
    files = "sorted(__import__('glob').glob(os.environ['SANDBOX_SAMPLE'] + '/orders/*.parquet'))"
    make(shop, f"{THREADS}, (select min(order_id) from '{{{files}[0]}}') as first_order")
    with (shop.root / "pipeline.py").open("a") as file:
        file.write("open(os.environ['SANDBOX_OUTPUT'] + '/n.csv', 'w').write('n\\n1\\n')\n")
    document = diff(shop, status=0)
    assert document["outputs"]["n"]["status"] == "added"
    assert document["repeat"] is None, "the output that both have does not differ"
    shop.edit("pipeline.py", "(12, 2)), 0)", "(12, 2)), 1)")
    document = diff(shop, status=1)
    assert sorted(document["outputs"]["value"]["tainted"]) == ["first_order", "threads"]


def test_last_digits_are_noise_but_the_column_is_still_judged(shop: Shop) -> None:
    make(shop, f"{PLAIN}, sum(amount) * (1 + 1e-15 * {{os.environ['OMP_NUM_THREADS']}}) as revenue")
    shop.edit("pipeline.py", "1e-15", "3e-15")
    document = diff(shop, status=0)
    assert document["verdict"] == "within_gate"
    output = document["outputs"]["value"]
    assert output["noise_tolerances"] == {"revenue": 1e-12}
    assert output["tainted"] == []
    shop.edit("pipeline.py", "3e-15", "1e-6")
    output = diff(shop, status=1)["outputs"]["value"]
    assert output["columns"]["revenue"]["changed"] > 100
    assert output["rows"]["noise"] == 0


def test_rows_without_a_key_are_compared_without_what_the_clock_wrote(shop: Shop) -> None:
    events = (
        "copy (select country, now() as loaded_at from '{sample}/customers/*.parquet') to '{output}/events.parquet'"
    )
    with (shop.root / "pipeline.py").open("a") as file:
        file.write(f'duckdb.sql(f"{events}")\n')
    shop.git("commit", "-am", "events")
    touch(shop)
    output = diff(shop, status=0)["outputs"]["events"]
    assert output["key"]["source"] == "none"
    assert output["tainted"] == ["loaded_at"]
    assert output["rows"]["added"] + output["rows"]["removed"] == output["rows"]["noise"] > 100
    shop.edit("pipeline.py", "select country, now()", "select lower(country) as country, now()")
    output = diff(shop, status=1)["outputs"]["events"]
    assert output["rows"]["added"] > output["rows"]["noise"] // 2


def test_rows_that_come_and_go_excuse_no_others(shop: Shop) -> None:
    shop.edit("pipeline.py", "group by all", "where customer_id % 5 > 0 or random() < 0.5 group by all")
    shop.git("commit", "-am", "flickering")
    touch(shop)
    document = diff(shop, status=1)
    output = document["outputs"]["value"]
    assert output["flickering"] > 0
    assert output["rows"]["noise"] <= output["rows"]["added"] + output["rows"]["removed"]
    assert any("come and go" in one for one in document["warnings"])
    shop.edit("pipeline.py", "customer_id % 5 > 0", "customer_id % 5 > 1")
    more = diff(shop, status=1)["outputs"]["value"]["rows"]
    assert more["removed"] - more["noise"] > 5, "what is lost beside the flickering counts"


def test_baseline_that_does_not_stand_the_variation_leaves_every_difference(shop: Shop) -> None:
    make(shop, CLOCK_AND_DICE)
    with (shop.root / "pipeline.py").open("a") as file:
        file.write("assert os.environ['OMP_NUM_THREADS'] == '1', 'one thread only'\n")
    shop.git("commit", "-am", "one thread")
    touch(shop)
    document = diff(shop, status=1)
    assert document["repeat"] is None
    [warning] = [one for one in document["warnings"] if "every difference counts" in one]
    assert "with 2 threads and the sample's files in another order the baseline: " in warning
    assert warning.endswith("the pipeline at main failed with status 1")


def test_repetition_spans_the_time_between_the_sides_and_is_made_again_if_damaged(shop: Shop) -> None:
    make(shop, CLOCK_AND_DICE)
    touch(shop)
    early = shop.run("run", "--json").json["id"]
    document = diff(shop, status=0)
    assert document["candidate"]["run"] != early
    runs = [document[side]["run"] for side in ("baseline", "candidate", "repeat")]
    records = [json.loads((shop.root / ".sandbox" / "runs" / run / "run.json").read_text()) for run in runs]
    times = [record["started"] for record in records]
    assert times == sorted(times)
    assert [record["variation"] for record in records] == [None, None, document["repeat"]["variation"]]

    shutil.rmtree(shop.root / ".sandbox" / "runs" / runs[2] / "output")
    assert diff(shop, status=0)["repeat"]["run"] != runs[2], "what is damaged is made again"


@pytest.mark.parametrize("flag", ["--stack", "--baseline-output"])
def test_flags_that_do_not_go_together_are_refused(shop: Shop, flag: str) -> None:
    done = shop.run("diff", "--baseline", "main", flag, "x")
    assert done.status == 2
    assert flag in done.stderr
