"""Pipelines in PySpark, in the image of Spark and as processes of this machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from tests.projects import Shop

pytestmark = [pytest.mark.slow, pytest.mark.docker]
DOCKER = {"SANDBOX_RUNTIME": "docker"}
PIPELINE = """\
import os

from pyspark.sql import SparkSession, functions as f

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
sample, output = os.environ["SANDBOX_SAMPLE"], os.environ["SANDBOX_OUTPUT"]
customers, orders = (spark.read.parquet(f"file://{sample}/{name}") for name in ("customers", "orders"))
joined = customers.join(orders, "customer_id", "left").groupBy("customer_id", "country")
value = joined.agg(f.round(f.coalesce(f.sum("amount"), f.lit(0.0)), 2).alias("total"), f.count("order_id").alias("orders"))
value.coalesce(1).write.mode("overwrite").parquet(f"file://{output}/value")
print("heap", spark.sparkContext._jvm.java.lang.Runtime.getRuntime().maxMemory(), "user", spark.sparkContext.sparkUser())
"""


@pytest.fixture
def spark(shop: Shop, engine: str) -> Shop:
    shop.edit("sandbox.toml", "[stack.limits]", '[stack]\nimage = "spark"\n[stack.limits]')
    shop.edit("sandbox.toml", 'timeout = "600s"', 'timeout = "5m"')
    shop.edit("sandbox.toml", 'memory = "1GB"', 'memory = "1500MB"')
    (shop.root / "pipeline.py").write_text(PIPELINE)
    shop.git("add", "-A")
    shop.git("commit", "-m", "Spark")
    return shop


def log(shop: Shop, run: str) -> str:
    return (shop.root / ".sandbox" / "runs" / run / "stdout.log").read_text()


def made(run: str) -> list[dict[str, Any]]:
    """Give the rows that a run made, in the order of their key."""
    [file] = (Path(run) / "output" / "value").glob("*.parquet")
    return pq.read_table(file).sort_by("customer_id").to_pylist()  # type: ignore[no-any-return]


def test_a_pipeline_in_pyspark_is_compared_and_gives_the_same_as_processes_of_this_machine(
    spark: Shop,
) -> None:
    """Builds the image of Spark, then starts a JVM for each of six runs, in the image and on this machine."""
    shop = spark
    done = shop.run("run", "--json", env=DOCKER, timeout=900)
    assert done.status == 0, done.stderr
    said = log(shop, done.json["id"])
    heap = int(said.split("heap ")[1].split()[0])
    assert 0.3e9 < heap < 0.75e9  # half of what the run may use
    lock = json.loads((shop.root / "sandbox.lock").read_text())
    entries = {name: one for name, one in lock["platforms"].items() if one["packages"]}
    [entry] = entries.values()
    assert {"openjdk-21-jre-headless", "libnss-unknown"} <= {one["name"] for one in entry["packages"]["spark"]}
    assert lock["platforms"]["linux/arm64"]["environment"] is None or len(entries) == 2
    image = [
        "docker",
        "images",
        "--format",
        "{{.Repository}}:{{.Tag}}",
        f"sandbox/spark:{entry['environment'][:16]}",
    ]
    tag = subprocess.run(image, check=True, capture_output=True, text=True).stdout.strip()
    assert tag
    for user in ("4242:4242", "1000:1000"):  # one that the image does not know, and its own
        script = "from pyspark.sql import SparkSession as S; print(S.builder.master('local[1]').getOrCreate().range(7).count())"
        command = [
            *("docker", "run", "--rm", "--network", "none", "--user", user, "--tmpfs", "/tmp:mode=1777"),
            *("--read-only", "--env", "SPARK_LOCAL_IP=127.0.0.1", tag, "python", "-c", script),
        ]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.split()[-1] == "7"

    shop.edit("pipeline.py", 'f.count("order_id")', 'f.count("customer_id")')
    compared = shop.run("diff", "--json", env=DOCKER, timeout=900)
    assert compared.status == 1, compared.stderr
    assert compared.json["outputs"]["value"]["columns"]["orders"]["changed"] > 0
    assert compared.json["outputs"]["value"]["columns"]["total"]["changed"] == 0
    shop.git("checkout", "pipeline.py")

    local = shop.run("run", "--json", env={"SANDBOX_RUNTIME": "local"}, timeout=900)
    assert local.status == 0, local.stderr
    assert made(local.json["path"]) == made(done.json["path"])


def test_a_project_adds_libraries_to_spark_and_locking_again_gives_the_same(spark: Shop) -> None:
    shop = spark
    shop.edit("sandbox.toml", 'image = "spark"', 'image = "spark"\nrequirements = "requirements.txt"')
    (shop.root / "requirements.txt").write_text("pyspark\ntzdata\n")
    done = shop.run("lock", "--json", env=DOCKER, timeout=900)
    assert done.status == 0, done.stderr
    lock = json.loads((shop.root / "sandbox.lock").read_text())
    pins = {one["name"]: one for one in lock["platforms"]["linux/amd64"]["libraries"]}
    assert len(pins["pyspark"]["hashes"]) == 1
    again = shop.run("lock", "--json", env=DOCKER, timeout=900)
    assert again.status == 0, again.stderr
    assert json.loads((shop.root / "sandbox.lock").read_text()) == lock
