"""The product's verdict and counts are the oracle's, for generated tables of every type, format and key."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, note, settings

from tests.property.compare.comparison import Case, check_case
from tests.property.compare.generated_cases import build_cases, describe_case

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "100"))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(build_cases())
def test_verdict_and_counts_equal_those_of_the_oracle(case: Case) -> None:
    mismatch = check_case(case)
    note(describe_case(case))
    assert mismatch is None, str(mismatch)
