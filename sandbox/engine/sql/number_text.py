"""Build SQL on numbers written as text."""

from __future__ import annotations

SAFE_DIGITS = 15  # a DOUBLE holds every decimal number of so many digits
_DIGITS = "ltrim(rtrim(regexp_replace(regexp_replace({0}, '[eE].*$', ''), '[-.]', '', 'g'), '0'), '0')"


def build_exact_double_condition(text: str) -> str:
    """Build the SQL condition for a number that a DOUBLE holds: it is the DOUBLE's value, rounded to the digits written.

    ``12345678901234567.01`` is not, but ``0.30000000000000004`` and ``0.10000000000000001`` are.
    """
    value = f"try_cast({text} as double)"
    written = _DIGITS.format(text)
    shown = (f"{value}::varchar", f"format('{{:.15e}}', {value})", f"format('{{:.16e}}', {value})")
    rounded = ", ".join(_DIGITS.format(sql) for sql in shown)
    short = f"length({text}) <= {SAFE_DIGITS} and not contains(lower({text}), 'e')"
    return f"({short} or (isfinite({value}) and {written} in ({rounded})))"
