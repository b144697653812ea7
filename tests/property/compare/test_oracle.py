"""The product's verdict and counts are the oracle's, for generated tables of every type, format and key."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, note, settings

from tests.property.compare.comparison import Case, judge_cases
from tests.property.compare.generated_cases import BATCH, build_batches, describe_case
from tests.property.compare.table_files import FORMATS, Format

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "2000"))


@pytest.mark.parametrize("format_", FORMATS)
def test_verdict_and_counts_equal_those_of_the_oracle(format_: Format) -> None:
    """Takes long: 2,000 mutations, in all formats together."""

    @settings(
        max_examples=-(-EXAMPLES // (len(FORMATS) * BATCH)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(build_batches((format_,)))
    def check(cases: list[Case]) -> None:
        for case, judgement in zip(cases, judge_cases(cases), strict=True):
            note(describe_case(case))
            assert judgement.mismatch is None, str(judgement.mismatch)

    check()
