"""Replacement of single keys by those of another version's settings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.config.sections.base import Section

if TYPE_CHECKING:
    from collections.abc import Collection

    from sandbox.config.settings import Settings

SectionType = TypeVar("SectionType", bound=Section)


def replace_keys(settings: Settings, other: Settings, keys: Collection[str], *, given: Collection[str]) -> Settings:
    """Return settings with some keys, such as ``stack.limits.cpus``, taken from other settings.

    Keys in ``given``, set by a flag or the environment, are kept.
    """
    for key in sorted(set(keys) - set(given)):
        settings = _replace_key(settings, other, key.split("."))
    return settings


def find_replaced_keys(settings: Settings, other: Settings, keys: Collection[str]) -> list[str]:
    """Return the keys with different values in two settings."""
    return [key for key in sorted(keys) if _get_value(settings, key) != _get_value(other, key)]


def _replace_key(section: SectionType, other: Section, steps: list[str]) -> SectionType:
    step, *below = steps
    value: Any = getattr(other, step)
    if below:
        value = _replace_key(getattr(section, step), value, below)
    return section.model_copy(update={step: value})


def _get_value(settings: Settings, key: str) -> Any:
    value: Any = settings
    for step in key.split("."):
        value = getattr(value, step)
    return value
