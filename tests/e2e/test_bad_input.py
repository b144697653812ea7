"""Everything that can be wrong, each with its own status, a message with the values, and what to type next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.projects import Shop


def make_truncated_parquet(shop: Shop) -> None:
    (shop.root / "warehouse" / "orders.csv").unlink()
    path = shop.root / "warehouse" / "orders.parquet"
    pq.write_table(pa.table({"order_id": range(1000), "customer_id": range(1000)}), path)
    path.write_bytes(path.read_bytes()[:-200])


def append(file: str, text: str) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        with (shop.root / file).open("a") as opened:
            opened.write(text)

    return change


def edit(before: str, after: str) -> Callable[[Shop], None]:
    return lambda shop: shop.edit("sandbox.toml", before, after)


def many_countries(shop: Shop) -> None:
    rows = "\n".join(f"{number},x@example.org,country {number}" for number in range(1_000_000))
    (shop.root / "warehouse" / "customers.csv").write_text(f"customer_id,email,country\n{rows}\n")


def no_customers(shop: Shop) -> None:
    (shop.root / "warehouse" / "customers.csv").write_text("customer_id,email,country\n")


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        pytest.param(lambda shop: (shop.root / "sandbox.toml").unlink(), 10, "no sandbox.toml", id="no settings"),
        pytest.param(edit("min_per_stratum", "min_per_startum"), 10, 'mean "min_per_stratum"', id="misspelt key"),
        pytest.param(edit('uri = "warehouse/"', 'uri = "warehous/"'), 11, "warehous", id="source that is not there"),
        pytest.param(make_truncated_parquet, 11, "orders.parquet", id="truncated Parquet"),
        pytest.param(append("warehouse/orders.csv", "2001,1,5,extra,columns\n"), 11, "orders.csv", id="broken line"),
        pytest.param(edit('["order_id"]', '["order_nr"]'), 12, "order_id", id="missing key column"),
        pytest.param(append("warehouse/customers.csv", "400,x@example.org,DE\n"), 12, "400", id="duplicate key"),
        pytest.param(append("warehouse/orders.csv", "2000,5,1.5\n"), 12, "2000", id="duplicate key of a child"),
        pytest.param(edit("customers.customer_id", "clients.customer_id"), 10, "clients", id="no such table"),
        pytest.param(no_customers, 12, "customers", id="empty table"),
        pytest.param(many_countries, 12, "country", id="a million strata"),
        pytest.param(edit('"main"', '"mian"'), 10, "mian", id="no such ref"),
    ],
)
def test_bad_input_has_its_status_and_message(
    shop: Shop, change: Callable[[Shop], None], status: int, expected: str
) -> None:
    change(shop)
    done = shop.run("diff")
    assert done.status == status, done.stderr
    assert expected in done.stderr
    assert "hint:" in done.stderr
    assert done.stdout == ""
    assert shop.left_behind() == []
    assert not (shop.root / ".sandbox" / "diffs").exists()


def test_null_keys_are_counted_and_never_drawn(shop: Shop) -> None:
    append("warehouse/customers.csv", ",nobody@example.org,DE\n")(shop)
    manifest = shop.run("sample", "--json").json
    assert sum(stratum["population"] for stratum in manifest["strata"]) == 400
    assert "1 row without a key" in shop.run("sample").stdout


CONSUME = """\
import subprocess, sys
hog = "x = [bytearray(10_000_000) for _ in range(200)]"
"""

PIPELINES = {
    "exits 3": ("import sys\nprint('about to fail', file=sys.stderr)\nsys.exit(3)\n", 15, "status 3"),
    "writes nothing": ("pass\n", 15, "left no output"),
    "prints 100 MB and fails": (
        "import sys\nfor _ in range(1000): sys.stdout.write('x' * 99_999 + '\\n')\nsys.exit('the very end')\n",
        15,
        "the very end",
    ),
    "sleeps": ("import time\ntime.sleep(600)\n", 16, "did not end within 3 s"),
    "takes too much memory": (CONSUME + "exec(hog)\n", 17, "more memory than 300,000,000 bytes"),
    "child takes too much memory": (
        CONSUME + "subprocess.run([sys.executable, '-c', hog])\n",
        17,
        "more memory",
    ),
}


@pytest.mark.parametrize("runtime", ["local", pytest.param("docker", marks=pytest.mark.docker)])
@pytest.mark.parametrize("kind", PIPELINES)
def test_pipeline_that_fails_has_its_status_and_the_end_of_its_log(
    shop: Shop, kind: str, runtime: str, request: pytest.FixtureRequest
) -> None:
    if runtime == "docker":
        request.getfixturevalue("engine")
    text, status, expected = PIPELINES[kind]
    (shop.root / "pipeline.py").write_text(text)
    shop.edit("sandbox.toml", '"1GB"', '"300MB"')
    if kind == "sleeps":
        shop.edit("sandbox.toml", '"600s"', '"3s"')
    done = shop.run("run", env={"SANDBOX_RUNTIME": runtime})
    assert done.status == status, done.stderr
    assert expected in done.stderr
    assert "hint:" in done.stderr
    (run,) = [path for path in (shop.root / ".sandbox" / "runs").iterdir() if not path.name.startswith(".")]
    assert (run / "run.json").is_file()
    assert sum(path.stat().st_size for path in run.glob("*.log")) < 25 * 10**6
    assert shop.left_behind() == []


def test_failing_baseline_is_named_as_such(shop: Shop) -> None:
    shop.edit("pipeline.py", "import duckdb", "import duckdb, nonsense")
    shop.git("commit", "-am", "broken")
    shop.edit("pipeline.py", "import duckdb, nonsense", "import duckdb")
    done = shop.run("diff")
    assert done.status == 15
    assert "the baseline: the pipeline at main failed with status 1" in done.stderr
    assert "No module named 'nonsense'" in done.stderr


def test_failure_is_one_json_document_with_json(shop: Shop) -> None:
    shop.edit("sandbox.toml", "rate = 0.5", "rat = 0.5")
    done = shop.run("diff", "--json")
    error = done.json["error"]
    assert done.status == error["status"] == 10
    assert error["kind"] == "config"
    assert 'did you mean "rate"?' in error["message"]
    assert error["hint"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("diff", "one"),
        ("diff", "--nonsense"),
        ("diff", "--key", "a"),
        ("create", "--name", "../x"),
    ],
)
def test_usage_errors_exit_2_with_a_hint(shop: Shop, arguments: tuple[str, ...]) -> None:
    done = shop.run(*arguments)
    assert done.status == 2
    assert "--help" in done.stderr or "hint:" in done.stderr


def test_refused_engine_is_14_and_docker_never_falls_back(shop: Shop) -> None:
    done = shop.run("create", env={"SANDBOX_RUNTIME": "docker", "DOCKER_HOST": f"unix://{shop.root}/no.sock"})
    assert done.status == 14
    assert "hint:" in done.stderr
    fallen_back = shop.run("create", env={"SANDBOX_RUNTIME": "auto", "DOCKER_HOST": f"unix://{shop.root}/no.sock"})
    assert fallen_back.status == 0
    assert "isol" in fallen_back.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption_stops_the_run_and_leaves_nothing(shop: Shop, number: signal.Signals, status: int) -> None:
    (shop.root / "pipeline.py").write_text(
        "import time, os\nopen('/tmp/' + os.environ['MARK'], 'w')\ntime.sleep(3600)\n"
    )
    mark = f"sandbox-mark-{time.time_ns()}"
    shop.edit("sandbox.toml", "[outputs.value]", f'[pipeline.env]\nMARK = "{mark}"\n[outputs.value]')
    shop.run("create")
    called = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "run"],
        cwd=shop.root,
        env=shop.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    place = Path("/tmp") / mark
    wait_until(place.exists)
    place.unlink()
    called.send_signal(number)
    _, stderr = called.communicate(timeout=PATIENCE_SECONDS)
    assert called.returncode == status
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert shop.left_behind() == []
    assert list((shop.root / ".sandbox" / "runs").iterdir()) == []


@pytest.mark.docker
def test_a_second_interruption_ends_a_run_at_once_that_does_not_want_to_end(shop: Shop, engine: str) -> None:
    stubborn = "trap '' TERM INT; echo started; while :; do sleep 1; done"
    shop.edit("sandbox.toml", 'command = "python pipeline.py"', f'command = "{stubborn}"')
    env = {"SANDBOX_RUNTIME": "docker"}
    shop.run("create", env=env)
    called = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "run"],
        cwd=shop.root,
        env=shop.environment | env,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: any(log.stat().st_size for log in shop.root.glob(".sandbox/runs/.staged-*/stdout.log")))
    time.sleep(1)  # what is interrupted while it starts is ended at once
    called.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert called.poll() is None  # it waits for the run to end by itself
    called.send_signal(signal.SIGINT)
    assert called.wait(PATIENCE_SECONDS) in {130, -signal.SIGINT}  # which a shell takes for 130
    path = str(shop.root)
    assert shop.run("exec", "true", env=env).status == 0  # whatever comes next removes what was left
    listed = ["docker", "ps", "-a", "-q", "--filter", f"label=dev.sandbox.path={path}"]
    assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("runtime", ["local", pytest.param("docker", marks=pytest.mark.docker)])
def test_full_disk_at_the_output_is_said_and_leaves_nothing(
    shop: Shop, runtime: str, request: pytest.FixtureRequest
) -> None:
    if runtime == "docker":
        request.getfixturevalue("engine")
    runs = shop.root / ".sandbox" / "runs"
    runs.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(runs)], check=True)
    try:
        (shop.root / "pipeline.py").write_text(
            "import os\nopen(os.environ['SANDBOX_OUTPUT'] + '/value.csv', 'w').write('a\\n' * 5_000_000)\n"
        )
        done = shop.run("run", env={"SANDBOX_RUNTIME": runtime})
        assert done.status in (13, 15), done.stderr
        assert "No space left on device" in done.stderr or "is full" in done.stderr
        assert [path for path in runs.iterdir() if path.name.startswith(".staged")] == []
    finally:
        subprocess.run(["umount", str(runs)], check=True)


def test_csv_of_an_output_that_is_no_csv_is_an_error(shop: Shop) -> None:
    shop.edit("sandbox.toml", "[outputs.value]\n", '[outputs.value]\ncsv = { delimiter = ";" }\n')
    done = shop.run("diff")
    assert done.status == 10
    assert "[outputs.value] csv has no effect: its files are parquet" in done.stderr
