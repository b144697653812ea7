"""One thing that `sandbox doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, kw_only=True)
class DoctorCheck:
    """What was looked at, and what came of it.

    Attributes:
        name: What, in a few words; unique among the checks.
        ok: None where it was not checked.
        detail: What was found, or why it was not checked.
        fix: What to type or do if it is not well; empty otherwise.
        items: What ``detail`` only counts, by name.
    """

    name: str
    ok: bool | None
    detail: str
    fix: str = ""
    items: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "name": self.name,
            "ok": self.ok,
            "detail": self.detail,
            "fix": self.fix,
            "items": list(self.items),
        }


def pass_check(name: str, detail: str, items: Iterable[str] = ()) -> DoctorCheck:
    """Give a check that found all well."""
    return DoctorCheck(name=name, ok=True, detail=detail, items=tuple(items))


def fail_check(name: str, detail: str, fix: str, items: Iterable[str] = ()) -> DoctorCheck:
    """Give a check that found something, with the one thing to do about it."""
    return DoctorCheck(name=name, ok=False, detail=detail, fix=fix, items=tuple(items))


def skip_check(name: str, because: str) -> DoctorCheck:
    """Give a check that something else stood in the way of."""
    return DoctorCheck(name=name, ok=None, detail=because)


def run_check(name: str, check: Callable[[], DoctorCheck], fix: str = "") -> DoctorCheck:
    """Carry out a check; an error of ours is what it found, and ``fix`` what to do where the error does not say."""
    try:
        return check()
    except SandboxError as error:
        return fail_check(name, error.message, error.hint or fix)
