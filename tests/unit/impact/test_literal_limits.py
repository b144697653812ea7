"""Literal limits that no half-sample reaches are found in the text of the code."""

from __future__ import annotations

import pytest

from sandbox.impact.separability.literal_limits import find_output_limits

SEEN = [
    "select * from t limit 50000",
    "select * from t\nlimit\n  50000",
    "select top 50000 * from t",
    "select top (50000) * from t",
    "select * from t fetch first 50000 rows only",
    "df.head(50_000)",
    "df.nlargest(50000, 'total')",
    "df.sort_values('total').tail(n=5e4)",
    "frame.limit(5 * 10 ** 4)\nframe.limit(50000)",
    "df.sample(n=50000)",
    "rows[:50_000]",
    "pd.read_parquet(path).iloc[0:50000]",
    "itertools.islice(rows, 50000)",
    "pd.read_csv(path, nrows=50000)",
    "select country from t group by 1 having count(*) > 50000",
    "select country from t group by country\nhaving\n  count(distinct id) >= 50000",
    "qualify row_number() over (partition by country order by total) <= 50000",
    "select * from ranked where rn <= 50000",
    "df.groupby('country').filter(lambda group: len(group) > 50000)",
]
NOT_SEEN = [
    "select * from t limit 500",
    "select * from t limit 20000",
    "select * from t limit 90000000",
    "select * from t where amount > 50000",
    "select * from t -- limit 50000",
    "# df.head(50000)",
    "timeout = 50000",
    "having count(*) > 3",
    "limit_of_credit = 50000",
]


def find(text: str) -> str | None:
    found = find_output_limits({"pipeline.py": text}, ["value"], checked=20_000, most=1_000_000)
    return str(found["value"]) if found else None


@pytest.mark.parametrize("text", SEEN)
def test_limits_between_the_check_and_production_are_found(text: str) -> None:
    assert "has a limit of 50,000 (" in str(find(text))


@pytest.mark.parametrize("text", NOT_SEEN)
def test_other_numbers_are_not(text: str) -> None:
    assert find(text) is None


def test_a_limit_within_groups_is_seen_up_to_the_copies_of_one_unit() -> None:
    assert find("having count(*) > 17000") is not None
    assert find("limit 17000") is None


def test_file_and_line_are_named() -> None:
    assert find("a = 1\n\nb = df.head(\n    50000)") == "pipeline.py:4 has a limit of 50,000 (head)"


def test_a_file_named_like_an_output_is_its_code_with_all_that_it_names() -> None:
    files = {
        "models/value.sql": "select * from {{ ref('stg_orders') }}",
        "models/stg_orders.sql": "select * from orders limit 50000",
        "models/best.sql": "select * from customers limit 60000",
        "models/plain.sql": "select * from customers",
        "README.md": "",
    }
    found = find_output_limits(files, ["value", "best", "plain", "other"], checked=20_000, most=1_000_000)
    assert {name: limit.path for name, limit in found.items()} == {
        "value": "models/stg_orders.sql",
        "best": "models/best.sql",
        "other": "models/best.sql",
    }
