# The types of what `sandbox.__getattr__` loads at first use.

from sandbox.api import compare_tables as compare_tables
from sandbox.api import open_project

open = open_project  # noqa: A001 - `sandbox.open`, like `tarfile.open`
__version__: str
