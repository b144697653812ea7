"""Every file that a model in Python reads is found, or it is said that it cannot be."""

from __future__ import annotations

import pytest

from sandbox.dbt.programs.python_reads import PythonReads, find_python_reads

MODEL = "def model(dbt, session):\n    "


@pytest.mark.parametrize(
    ("source", "files"),
    [
        (f"import pandas as pd\n{MODEL}return dbt.ref('a').df().groupby('x').agg('sum').reset_index()", ()),
        (f"import pandas as pd\n{MODEL}return pd.read_csv('rates.csv', sep=';')", ("rates.csv",)),
        (f"from datetime import date\n{MODEL}with open('a.txt') as f:\n        return list(f)", ("a.txt",)),
    ],
)
def test_files(source: str, files: tuple[str, ...]) -> None:
    assert find_python_reads(source) == PythonReads(files=files)


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from . import helpers",
        "from helpers import f",
        "import pandas.io.parsers",
        "from pandas import read_csv",
        "from pandas import *",
        "import pandas as pd\nread = pd.read_csv",
        "import pandas as pd\npd.read_csv(name)",
        "import numpy as np\nnp.load('x')",
        "open('a', 'w')",
        "open('a', mode='w')",
        "eval('1')",
        "().__class__",
        "globals()['open']",
        f"{MODEL}return session.sql('select 1')",
        f"{MODEL}use = session\n    return use.table('x')",
        f"{MODEL}return dbt.ref('a').filter('x in (select y from b)')",
        f"{MODEL}relation = dbt.source('a', 'b')\n    return relation.df()",
        "def model(",
    ],
)
def test_files_that_cannot_be_told(source: str) -> None:
    assert find_python_reads(source).problem
