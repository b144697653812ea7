"""``[stack]`` and ``[pipeline]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from sandbox.config.quantities import Duration, MemoryLimit, Size
from sandbox.config.sections.base import NonEmptyText, Section


class LimitsSection(Section):
    """``[stack.limits]``."""

    cpus: Annotated[float, Field(gt=0)] = Field(default=2, description="Processors that a run may use.", examples=[2])
    memory: MemoryLimit = Field(
        default=4 * 10**9,
        description=("Memory that a run may use. `auto`: a quarter of the machine's, and three quarters in one retry."),
        examples=["4GB"],
    )
    timeout: Duration = Field(default=1800.0, description="Longest time that a run may take.", examples=["30m"])
    output: Size | None = Field(
        default=None,
        description="Size of all files in the folders that a run may write to. Default: half of the free disk space.",
        examples=["20GB"],
    )


class StackSection(Section):
    """``[stack]``: the environment for the code."""

    image: NonEmptyText = Field(
        default="python",
        description="`python`, `dbt`, a Dockerfile (`./Dockerfile`), or the name of an image of your own.",
        examples=["python"],
    )
    python: Annotated[str, StringConstraints(pattern=r"^3\.\d+$")] = Field(
        default="3.13", description="Version of Python.", examples=["3.13"]
    )
    requirements: str | None = Field(
        default=None,
        description="File with the libraries: `requirements.txt`, `pyproject.toml` or `uv.lock`.",
        examples=["requirements.txt"],
    )
    services: list[Literal["postgres", "notebook"]] = Field(
        default_factory=list, description="Services that run beside the sandbox.", examples=[["postgres"]]
    )
    runtime: Literal["auto", "docker", "local"] = Field(
        default="auto",
        description="Where code runs: in containers, or as processes of this machine without isolation.",
        examples=["docker"],
    )
    network: Literal["none", "services"] = Field(
        default="none", description="Network of a run: none, or the services alone.", examples=["services"]
    )
    build_network: Literal["none", "default"] = Field(
        default="none", description="Network while an image of your own is built.", examples=["default"]
    )
    limits: LimitsSection = Field(default_factory=LimitsSection, description="Limits of a run.")


class PipelineSection(Section):
    """``[pipeline]``: the code.

    ``build`` applies to dbt: a candidate takes over the models with outputs proven equal to the baseline's, or builds all.
    """

    kind: Literal["command", "dbt"] = Field(
        default="command", description="`command`: any program. `dbt`: a dbt project.", examples=["dbt"]
    )
    build: Literal["changed", "all"] = Field(
        default="changed",
        description="dbt: build the models whose outputs are not proven equal to the baseline's, or all.",
        examples=["all"],
    )
    dialect: Literal["bigquery", "databricks", "redshift", "snowflake"] | None = Field(
        default=None,
        description="dbt: the warehouse that the models are written for. They are translated exactly to DuckDB, or refused by name.",
        examples=["snowflake"],
    )
    command: NonEmptyText | None = Field(
        default=None,
        description="Command that reads `$SANDBOX_SAMPLE` and writes `$SANDBOX_OUTPUT`.",
        examples=["python pipeline.py"],
    )
    root: NonEmptyText = Field(
        default=".",
        description="Folder of the code: that of `sandbox.toml`, or one above it. Commands start beside `sandbox.toml`.",
        examples=[".."],
    )
    production: NonEmptyText = Field(
        default="main", description="Git ref of the code that production runs.", examples=["main"]
    )
    inputs: Annotated[list[Literal["parquet", "duckdb", "postgres"]], Field(min_length=1)] = Field(
        default=["parquet"],
        description=("Forms in which the sample is offered: Parquet files, a DuckDB file, or a Postgres database."),
        examples=[["postgres"]],
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        description="Environment variables of the command. `{sample}` and `{output}` stand for the folders.",
        examples=[{"STAGE": "sandbox"}],
    )
    scratch: list[str] = Field(
        default_factory=list, description="Folders beside the code that the command may write to.", examples=[["cache"]]
    )
    include: list[str] = Field(
        default_factory=list, description="Files that git ignores and a run needs.", examples=[["dbt_packages"]]
    )
