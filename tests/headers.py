"""The first lines of ``sandbox.toml`` in tests, and the tables that most of them sample."""

from __future__ import annotations


def build_header(uri: str = "source", *, source: str = "", command: str = "true") -> str:
    """Build the sections of a file before its sample; ``source`` holds further lines of the source's section."""
    return f"""\
version = 1
[project]
name = "shop"
[source]
uri = "{uri}"
{source}
[pipeline]
command = "{command}"
"""


HEADER = build_header()
CUSTOMERS = """
[sample]
salt = "s"
unit = "customers"
rate = 0.5
min_per_stratum = 0
[tables.customers]
key = ["id"]
"""
CUSTOMERS_AND_ORDERS = """
[sample]
salt = "s"
unit = "customers"
rate = 0.5
[tables.customers]
key = ["id"]
[tables.orders]
references = { customer = "customers.id" }
"""
MINIMAL = """\
version = 1
[project]
name = "shop"
[source]
uri = "warehouse"
[sample]
unit = "customers"
rate = 0.1
[tables.customers]
key = ["id"]
"""
"""The shortest whole file."""
