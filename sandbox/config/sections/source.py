"""``[project]`` and ``[source]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from sandbox.config.quantities import Duration
from sandbox.config.sections.base import NonEmptyText, PositiveInteger, Section

ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class ProjectSection(Section):
    """``[project]``."""

    name: ProjectName = Field(
        description="Name of the project: lower-case letters, digits, `-` and `_`, at most 40 characters.",
        examples=["shop"],
    )


class SparkSection(Section):
    """``[source.spark]``: the cluster, its executors' Python, and whether executors write the sample into ``store``."""

    remote: str | None = Field(
        default=None,
        description="Address of a Spark Connect server. Default: `$SPARK_REMOTE`.",
        examples=["sc://spark.example.org:15002"],
    )
    master: str | None = Field(
        default=None,
        description="Master of a classic Spark cluster. Default: `local[*]`.",
        examples=["spark://host:7077"],
    )
    python: NonEmptyText | None = Field(
        default=None, description="Python interpreter on the executors.", examples=["/usr/bin/python3.11"]
    )
    write: Literal["here", "store"] = Field(
        default="here",
        description="`here`: this machine writes the sample. `store`: the executors write it into `store`.",
        examples=["store"],
    )


class PostgresSection(Section):
    """``[source.postgres]``: limits on the load on a Postgres database."""

    statement_timeout: Duration = Field(
        default=1800.0, description="Longest time that one query may take on the server.", examples=["30m"]
    )
    lock_timeout: Duration = Field(
        default=10.0, description="Longest time that one query may wait for a lock.", examples=["10s"]
    )
    rows_per_second: PositiveInteger | None = Field(
        default=None, description="Upper limit for rows read per second. Default: no limit.", examples=[50000]
    )


class MySQLSection(Section):
    """``[source.mysql]``: limits on the load on a MySQL or MariaDB database."""

    statement_timeout: Duration = Field(
        default=1800.0, description="Longest time that one query may take on the server.", examples=["30m"]
    )
    lock_timeout: Duration = Field(
        default=10.0, description="Longest time that one query may wait for a lock.", examples=["10s"]
    )


class SourceSection(Section):
    """``[source]``: the location of production's data."""

    uri: NonEmptyText = Field(
        description=(
            "Location of production's data: a folder, a DuckDB or SQLite file, a bucket (`s3://`, "
            "`gs://`, `az://`), a catalog of Iceberg tables, or a database (`postgresql://`, `mysql://`). "
            "Relative paths start at `sandbox.toml`."
        ),
        examples=["warehouse/"],
    )
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="Query engine that reads the source.", examples=["spark"]
    )
    store: str | None = Field(
        default=None,
        description=("Folder or bucket through which samples are shared. With it, everybody gets the same sample."),
        examples=["s3://team/samples"],
    )
    row_security: Literal["error", "accept"] = Field(
        default="error",
        description=(
            "Tables with row-level security in Postgres. `error`: they are not read with a role from which a policy hides rows. "
            "`accept`: the population is what the role sees, and the plan says so."
        ),
        examples=["accept"],
    )
    spark: SparkSection | None = Field(default=None, description='Settings of `engine = "spark"`.')
    postgres: PostgresSection | None = Field(default=None, description="Settings of a Postgres source.")
    mysql: MySQLSection | None = Field(default=None, description="Settings of a MySQL or MariaDB source.")

    @property
    def is_sample_written_by_executors(self) -> bool:
        """Whether executors of a cluster write the sample into the store."""
        return self.spark is not None and self.spark.write == "store"
