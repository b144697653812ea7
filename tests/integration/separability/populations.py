"""Sources with keys of several kinds, and the halves of their samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from sandbox.compare import OutputRules
from sandbox.compare.units.sampled_units import build_unit_draws
from sandbox.compare.units.separability import SeparabilityInput, find_separability_problem
from sandbox.config.project_file import load_project
from sandbox.model import SilentProgress, TableFiles
from sandbox.sampler.draw.draw import draw_sample
from sandbox.sampler.half_sample import selection
from sandbox.sampler.half_sample.enlarged_writer import write_enlarged_half
from sandbox.sampler.half_sample.writer import write_half_sample
from sandbox.sampler.plan.planner import plan_sample
from sandbox.samples import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.manifest.sample import SampleManifest
    from sandbox.model import Sample

POPULATION = 20_000
SAMPLED = 400
MEMORY = 2**30

KEYS = {
    "integer": {"customer_id": "i * 7 + 1000"},
    "text": {"customer_id": "format('C-{:07d}', i * 31)"},
    "unpadded text": {"customer_id": "'c' || (i * 3)"},
    "uuid": {
        "customer_id": "(substr(md5(i::VARCHAR), 1, 12) || '4' || substr(md5(i::VARCHAR), 14, 3) || '8' || substr(md5(i::VARCHAR), 18, 15))::UUID"
    },
    "date": {"customer_id": "date '1970-01-01' + i::INTEGER"},
    "timestamp": {"customer_id": "timestamp '2001-01-01' + to_minutes(i * 17)"},
    "decimal": {"customer_id": "(i * 11)::DECIMAL(12,2)"},
    "composite": {"shop": "'S' || (i % 40)", "number": "i // 40 * 3 + 1"},
    "composite with a date": {"opened": "date '2020-01-01' + (i % 60)::INTEGER", "number": "1 + i // 60"},
}
"""The columns of the unit's key by kind, as SQL of a number i."""

SETTINGS = """\
version = 1
[project]
name = "shop"
[source]
uri = "source"
[pipeline]
command = "true"
[sample]
salt = "{salt}"
unit = "customers"
units = {units}
min_per_stratum = 0
[tables.customers]
key = [{key}]
mask = {{ email = "none", contact = "none" }}
[tables.orders]
key = ["order_id"]
[[tables.orders.reference]]
columns = [{key}]
table = "customers"
key = [{key}]
[tables.items]
key = ["order_id", "line"]
references = {{ order_id = "orders.order_id", product_id = "products.product_id" }}
belongs_to = "orders"
[tables.products]
key = ["product_id"]
keep = "all"
"""


def write_source(folder: Path, kind: str) -> None:
    """Write customers, orders, items and products, with customers keyed by columns of a kind."""
    folder.mkdir(parents=True)
    key = ", ".join(f"{sql} as {name}" for name, sql in KEYS[kind].items())
    names = ", ".join(KEYS[kind])
    with duckdb.connect() as connection:
        connection.execute("set threads = 1; select setseed(0.3)")
        connection.execute(
            f"""
            create table numbered as select {key}, i, 'u' || (i * 7919 % {POPULATION}) || '@shop.example' as email,
            'c' || (i * 31 % ({POPULATION} * 99 // 100)) || '@mail.example' as contact,
            ['DE', 'FR', 'IT', 'ES', 'NL', 'PL', 'PT', 'MT'][1 + least(7, (-ln(random() + 1e-9) * 1.5)::INTEGER)] as country,
            date '2019-01-01' + (random() * 2000)::INTEGER as signup from range(1, {POPULATION} + 1) t(i);
            create table orders as select row_number() over (order by day, i, n) * 3 as order_id, {names}, day, status, amount
            from (select *, date '2024-01-01' + (random() * 365)::INTEGER as day,
            ['paid', 'paid', 'paid', 'open', 'returned'][1 + (random() * 4.99)::INTEGER] as status,
            round(exp(2 + random() * 3), 2)::DECIMAL(18,2) as amount from numbered, range(i * 31 % 7) t(n));
            create table items as select order_id, line, 1 + (random() * 199)::INTEGER as product_id,
            round(exp(1 + random() * 3), 2)::DECIMAL(18,2) as price from orders, range(1 + order_id % 3) t(line);
            create table products as select i as product_id, i % 9 as category, case when i % 7 = 0 then 0.07 else 0.19 end as vat
            from range(1, 201) t(i);
            create view customers as select * exclude (i) from numbered;
            """
        )
        for table, order in {
            "customers": names,
            "orders": "day, order_id",
            "items": "order_id, line",
            "products": "product_id",
        }.items():
            path = str(folder / f"{table}.parquet").replace("'", "''")
            connection.execute(f"copy (from {table} order by {order}) to '{path}' (format parquet)")


@dataclass(frozen=True, kw_only=True)
class Halves:
    """A sample of 400 customers, its first half, and its second half enlarged to 20,000."""

    kind: str
    folder: Path
    sample: Sample
    manifest: SampleManifest

    @classmethod
    def draw(cls, source: Path, folder: Path, kind: str, salt: str) -> Halves:
        """Draw a sample of a source, and write its halves."""
        folder.mkdir(parents=True)
        (folder / "source").symlink_to(source)
        key = ", ".join(f'"{name}"' for name in KEYS[kind])
        file = folder / "sandbox.toml"
        file.write_text(SETTINGS.format(salt=salt, units=SAMPLED, key=key), "utf-8")
        project = load_project(file, start=folder, environ={}, flags={})
        plan = plan_sample(project, threads=1, progress=SilentProgress())
        drawn = draw_sample(project, plan, home=folder / "home", threads=1, progress=SilentProgress())
        sample, manifest = catalog.load_sample(folder / "home", drawn.fingerprint)
        for name in selection.HALVES:
            (folder / name).mkdir()
        write_half_sample(sample, manifest, project.settings, folder / "first")
        write_enlarged_half(
            sample,
            manifest,
            project.settings,
            folder / "second",
            unique=selection.collect_unique_columns(project.settings, manifest),
            memory=MEMORY,
        )
        return cls(kind=kind, folder=folder, sample=sample, manifest=manifest)

    def run(self, query: str, part: Path) -> TableFiles:
        """Run a pipeline's query on a part of the sample, and return its output."""
        output = self.folder / "output.parquet" if part == self.sample.path else part / "output.parquet"
        with duckdb.connect() as connection:
            connection.execute("set threads = 1")
            for table in self.manifest.tables:
                files = str(part / "tables" / table / "*.parquet").replace("'", "''")
                connection.execute(f"create view {table} as from read_parquet('{files}', hive_partitioning = false)")
            target = str(output).replace("'", "''")
            connection.execute(f"copy ({query}) to '{target}' (format parquet)")
        return TableFiles(name="output", format="parquet", paths=(output,))

    def find_problems(self, pipeline: str) -> list[str | None]:
        """Return what the check on each half finds in a pipeline's output."""
        query = self.complete_query(pipeline)
        whole = self.run(query, self.sample.path)
        return [self._find_problem(query, whole, half) for half in selection.HALVES]

    def is_refused(self, pipeline: str) -> bool:
        """Return whether a check finds something."""
        query = self.complete_query(pipeline)
        whole = self.run(query, self.sample.path)
        return any(self._find_problem(query, whole, half) is not None for half in reversed(selection.HALVES))

    def _find_problem(self, query: str, whole: TableFiles, half: selection.HalfName) -> str | None:
        units = selection.build_half_units_query(self.manifest, self.sample.path, "customers", half)
        question = SeparabilityInput(
            whole=whole,
            half=self.run(query, self.folder / half),
            half_name=half,
            draw=build_unit_draws(self.manifest, self.sample.path)["customers"],
            half_units_sql=units,
            rules=OutputRules(),
            key=(),
        )
        return find_separability_problem(question, memory=MEMORY)

    def complete_query(self, pipeline: str) -> str:
        """Put the columns of the key into a pipeline's query."""
        names = list(KEYS[self.kind])
        texts = {"{key}": ", ".join(names)}
        for alias in "cod":
            texts[f"{{{alias}.key}}"] = ", ".join(f"{alias}.{name}" for name in names)
        texts["{any}"] = ", ".join(f"arg_min({name}, ({', '.join(names)})) as {name}" for name in names)
        texts["{first}"] = ", ".join(f"arg_min(o.{name}, (day, o.order_id)) as {name}" for name in names)
        for text, columns in texts.items():
            pipeline = pipeline.replace(text, columns)
        return pipeline
