"""``sandbox keys``: list, add and remove the public keys that a project trusts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import UsageError
from sandbox.promotion.signing import (
    TRUSTED_KEYS_FILE,
    describe_own_key,
    find_key,
    format_trusted_keys,
    load_signing_key,
    parse_key_line,
    parse_trusted_keys,
)
from sandbox.store.folder import write_file

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.promotion.signing import PublicKey


@dataclass(frozen=True, kw_only=True)
class TrustedKeys:
    """The trusted keys, and the one that signs here."""

    keys: list[PublicKey]
    own: PublicKey

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox keys --json``."""
        return {
            "format_version": 1,
            "own": {"id": self.own.key_id, "line": self.own.line},
            "trusted": [{"id": key.key_id, "name": key.name, "line": key.line} for key in self.keys],
        }


def list_keys(project: Project, *, name: str) -> TrustedKeys:
    """Return the keys in ``sandbox.keys``, and the own one called ``name``."""
    return TrustedKeys(keys=_read_keys(project), own=describe_own_key(load_signing_key(), name))


def add_key(project: Project, line: str | None, *, name: str) -> TrustedKeys:
    """Add a key, by default the own one called ``name``, to ``sandbox.keys``.

    Raises:
        ConfigError: The line is no key.
        UsageError: It is there already.
    """
    own = describe_own_key(load_signing_key(), name)
    added = parse_key_line(line, origin=repr(line)) if line is not None else own
    keys = _read_keys(project)
    if any(key.raw == added.raw for key in keys):
        raise UsageError(f"the key {added.key_id} is in {TRUSTED_KEYS_FILE} already", hint="sandbox keys")
    return _write_keys(project, [*keys, added], own)


def remove_key(project: Project, wanted: str, *, name: str) -> TrustedKeys:
    """Remove a key by its name or the beginning of its id.

    Raises:
        UsageError: None or several match.
    """
    keys = _read_keys(project)
    removed = find_key(keys, wanted)
    own = describe_own_key(load_signing_key(), name)
    return _write_keys(project, [key for key in keys if key is not removed], own)


def _read_keys(project: Project) -> list[PublicKey]:
    path = project.root / TRUSTED_KEYS_FILE
    return parse_trusted_keys(path.read_text("utf-8"), origin=TRUSTED_KEYS_FILE) if path.is_file() else []


def _write_keys(project: Project, keys: list[PublicKey], own: PublicKey) -> TrustedKeys:
    write_file(project.root / TRUSTED_KEYS_FILE, format_trusted_keys(keys))
    return TrustedKeys(keys=keys, own=own)
