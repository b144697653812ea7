"""The smallest case found in which the rows of an output differ between two versions of the pipeline.

Written by `sandbox why`. The rows expected are those of the {{ expect }}.
Baseline: {{ baseline }}. Candidate: {{ candidate }}.
"""

import os
import subprocess
from pathlib import Path

import duckdb

FOLDER = Path(__file__).resolve().parent
PROJECT = next((folder for folder in FOLDER.parents if (folder / "sandbox.toml").is_file()), Path.cwd())
COMMAND = {{ command }}
VARIABLES = {{ variables }}
OUTPUT = {{ output }}
READER = {{ reader }}


def read_rows(source):
    return duckdb.sql(f"select columns(*)::varchar from {source} order by all").fetchall()


def {{ function }}(tmp_path):
    sample, output = FOLDER / "sample", tmp_path / "output"
    output.mkdir()
    folders = {"sample": str(sample), "output": str(output)}
    variables = {name: value.format(**folders) for name, value in VARIABLES.items()}
    environment = {**os.environ, **variables, "SANDBOX_SAMPLE": str(sample), "SANDBOX_OUTPUT": str(output)}
    subprocess.run(["sh", "-c", COMMAND], cwd=PROJECT, env=environment, check=True)
    expected = FOLDER / "expected" / "{{ expect }}.csv"
    rows = f"read_csv('{str(expected).replace(chr(39), chr(39) * 2)}', all_varchar = true, header = true, nullstr = 'NULL', allow_quoted_nulls = false)"
    assert read_rows(READER.format(output=str(output).replace("'", "''"))) == read_rows(rows), OUTPUT
