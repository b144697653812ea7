"""Result type of `sandbox doctor`'s checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, kw_only=True)
class DoctorCheck:
    """A check and its result.

    Attributes:
        name: A short name, unique among the checks.
        ok: None if it was not run.
        detail: The result, or the reason why it was not run.
        fix: A command or action if it failed; empty otherwise.
        items: Names of items counted in ``detail``.
    """

    name: str
    ok: bool | None
    detail: str
    fix: str = ""
    items: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "detail": self.detail,
            "fix": self.fix,
            "items": list(self.items),
        }


def pass_check(name: str, detail: str, items: Iterable[str] = ()) -> DoctorCheck:
    return DoctorCheck(name=name, ok=True, detail=detail, items=tuple(items))


def fail_check(name: str, detail: str, fix: str, items: Iterable[str] = ()) -> DoctorCheck:
    """Return a failed check, with the one thing to do about it."""
    return DoctorCheck(name=name, ok=False, detail=detail, fix=fix, items=tuple(items))


def skip_check(name: str, because: str) -> DoctorCheck:
    """Return a skipped check, with the reason."""
    return DoctorCheck(name=name, ok=None, detail=because)


def run_check(name: str, check: Callable[[], DoctorCheck], fix: str = "") -> DoctorCheck:
    """Run a check; a `SandboxError` fails it, with ``fix`` if the error has no hint."""
    try:
        return check()
    except SandboxError as error:
        return fail_check(name, error.message, error.hint or fix)
