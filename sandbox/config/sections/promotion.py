"""``[promotion]``."""

from __future__ import annotations

from pydantic import Field

from sandbox.config.quantities import Duration
from sandbox.config.sections.base import Section


class PromotionSection(Section):
    """``[promotion]``: what `sandbox promote --check` accepts."""

    max_age: Duration | None = Field(
        default=None,
        description="Age above which a promotion record does not count. Default: any age.",
        examples=["30d"],
    )
