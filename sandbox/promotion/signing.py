"""Ed25519 keys: the one that signs here, and the public ones that a project trusts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sandbox.errors import ConfigError, UsageError
from sandbox.store.folder import lock_path, translate_os_errors, write_file
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SIGNING_KEY_FILE = "signing.key"
SIGNING_KEY_VARIABLE = "SANDBOX_SIGNING_KEY"
TRUSTED_KEYS_FILE = "sandbox.keys"
KEY_BYTES = 32
_KEY_LINE = re.compile(r"ed25519 (?P<key>[A-Za-z0-9+/]{43}=) (?P<name>\S.*)")


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A public key with the name of its owner."""

    raw: bytes
    name: str

    @property
    def key_id(self) -> str:
        """The first digits of its SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def line(self) -> str:
        """The line of ``sandbox.keys``."""
        return f"ed25519 {base64.b64encode(self.raw).decode()} {self.name}"

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether the owner of this key has signed a message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def parse_key_line(line: str, *, origin: str) -> PublicKey:
    """Parse a line of ``sandbox.keys``: ``ed25519 <base64> <name>``.

    Raises:
        ConfigError: It has another form; ``origin`` names it.
    """
    match = _KEY_LINE.fullmatch(line.strip())
    if match is None:
        raise ConfigError(f"{origin} is no key", hint="a line is: ed25519 BASE64 NAME, as shown by: sandbox keys")
    return PublicKey(raw=base64.b64decode(match["key"]), name=match["name"].strip())


def parse_trusted_keys(text: str, *, origin: str) -> list[PublicKey]:
    """Parse ``sandbox.keys``: one key per line; empty lines and lines with ``#`` are skipped.

    Raises:
        ConfigError: A line is no key.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return [
        parse_key_line(line, origin=f"{origin}, line {number}") for number, line in lines if not line.startswith("#")
    ]


def format_trusted_keys(keys: Iterable[PublicKey]) -> str:
    """Return the content of ``sandbox.keys``."""
    head = "# Public keys whose promotion records count for this project; written by `sandbox keys`.\n"
    return head + "".join(f"{key.line}\n" for key in keys)


def load_signing_key(environment: Mapping[str, str] | None = None) -> Ed25519PrivateKey:
    """Return the private key of ``SANDBOX_SIGNING_KEY``, else of this user's installation; create a missing one.

    Raises:
        ConfigError: The variable holds no key, or other users could have read the file.
        StoreError: The file cannot be written.
    """
    variables = os.environ if environment is None else environment
    if given := variables.get(SIGNING_KEY_VARIABLE):
        return _parse_private_key(given, SIGNING_KEY_VARIABLE)
    path = find_home_folder() / SIGNING_KEY_FILE
    with lock_path(path):
        if not path.exists():
            seed = Ed25519PrivateKey.generate().private_bytes_raw()
            write_file(path, base64.b64encode(seed).decode() + "\n", mode=0o600)
    with translate_os_errors(path):
        status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigError(
            f"{path}, which signs promotion records, cannot be trusted: others could have read or written it",
            hint=f"remove it: rm '{path}'; a new key is made, which has to be trusted again: sandbox keys add",
        )
    return _parse_private_key(path.read_text("utf-8"), str(path))


def describe_own_key(key: Ed25519PrivateKey, name: str) -> PublicKey:
    """Return the public key of a private one."""
    return PublicKey(raw=key.public_key().public_bytes_raw(), name=name)


def find_key(keys: Iterable[PublicKey], wanted: str) -> PublicKey:
    """Return the key with this name, or with an id that begins so.

    Raises:
        UsageError: None or several match.
    """
    fitting = [key for key in keys if key.name == wanted or (wanted and key.key_id.startswith(wanted))]
    if len(fitting) != 1:
        many = "more than one key is" if fitting else "no key is"
        raise UsageError(f"{many} called {wanted!r}", hint="see them all: sandbox keys")
    return fitting[0]


def _parse_private_key(text: str, origin: str) -> Ed25519PrivateKey:
    try:
        seed = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) != KEY_BYTES:
        raise ConfigError(f"{origin} holds no Ed25519 key: 32 bytes in base64", hint="head -c 32 /dev/urandom | base64")
    return Ed25519PrivateKey.from_private_bytes(seed)
