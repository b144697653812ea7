"""The secret behind the masks: from the environment, a file that it names, or one made in the user's own folder."""

from __future__ import annotations

import hashlib
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.store.folder import locked, reported, write
from sandbox.store.secret_environment import private

if TYPE_CHECKING:
    from sandbox.model import Progress

VARIABLE = "SANDBOX_MASK_KEY"
FILE_VARIABLE = "SANDBOX_MASK_KEY_FILE"
FILE = "mask.key"
SHORTEST = 32  # characters: 128 bits where they are hexadecimal
MAKE = "python3 -c 'import secrets; print(secrets.token_hex(32))'"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """The secret; only ``id`` may be written anywhere.

    Attributes:
        key: 32 bytes.
        id: Names the key (16 hex digits) and does not tell it.
    """

    key: bytes = field(repr=False)
    id: str

    @classmethod
    def of(cls, text: str) -> Secret:
        """Give the secret that a text stands for; white space around it does not count."""
        key = hashlib.blake2b(text.strip().encode(), digest_size=32, person=b"sandbox mask key").digest()
        return cls(key=key, id=hashlib.blake2b(b"id", key=key, digest_size=8).hexdigest())


def secret(home: Path, *, root: Path | None = None, progress: Progress | None = None) -> Secret:
    """Give the secret: ``$SANDBOX_MASK_KEY``, the file ``$SANDBOX_MASK_KEY_FILE``, or ``mask.key`` in the user's folder.

    The last is made if it is not there; processes at the same time agree on one.

    Args:
        home: The folder that a user's projects share.
        root: The project's folder, in which the file must not lie.
        progress: Told when a secret is made.

    Raises:
        ConfigError: It is too short, in two places, in the project, or others could read it.
        StoreError: It cannot be made.
    """
    text, named = private(VARIABLE), private(FILE_VARIABLE)
    if text is not None and named is not None:
        raise ConfigError(f"{VARIABLE} and {FILE_VARIABLE} are both set", hint="unset one of them")
    if text is not None:
        return _checked(text, VARIABLE)
    if named is not None:
        return _read(Path(named).expanduser().absolute(), root)
    place = home / FILE
    with locked(place):
        if not place.exists():
            write(place, secrets.token_hex(32) + "\n", mode=0o600)
            if progress is not None:
                progress.say(
                    f"made a secret for masks: {place}; teams share one, so that their masks agree (docs/masking.md)"
                )
    return _read(place, None)


def _read(place: Path, root: Path | None) -> Secret:
    if root is not None and place.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"{place} lies in the project, where it could be committed",
            hint=f"move it out, for example to ~/.config, and correct {FILE_VARIABLE}",
        )
    if not place.is_file():
        raise ConfigError(
            f"{place}, which {FILE_VARIABLE} names, is not there or no file", hint=f"make one: {MAKE}"
        )
    with reported(place):
        state = place.stat()
    if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{place} holds the secret of the masks and others can read it (mode {stat.S_IMODE(state.st_mode):o})",
            hint=f"chmod 600 '{place}'",
        )
    try:
        text = place.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        # Not the original error: its text would quote the file.
        raise ConfigError(f"{place} cannot be read as text", hint=f"make another: {MAKE}") from None
    return _checked(text, str(place))


def _checked(text: str, where: str) -> Secret:
    if len(text.strip()) < SHORTEST:
        raise ConfigError(
            f"the secret in {where} is too short: {len(text.strip())} characters, and it needs {SHORTEST}",
            hint=f"make one: {MAKE}",
        )
    return Secret.of(text)
