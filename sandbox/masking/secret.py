"""The secret behind the masks: from the environment, a file that it names, or one made in the user's own folder."""

from __future__ import annotations

import hashlib
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.store.folder import lock_path, translate_os_errors, write_file
from sandbox.store.secret_environment import read_secret_variable

if TYPE_CHECKING:
    from sandbox.model import Progress

SECRET_VARIABLE = "SANDBOX_MASK_KEY"  # noqa: S105 -- a name, not a secret
SECRET_FILE_VARIABLE = "SANDBOX_MASK_KEY_FILE"  # noqa: S105 -- a name, not a secret
SECRET_FILE = "mask.key"  # noqa: S105 -- a name, not a secret
MIN_SECRET_LENGTH = 32  # characters: 128 bits where they are hexadecimal
MAKE_SECRET_COMMAND = "python3 -c 'import secrets; print(secrets.token_hex(32))'"  # noqa: S105 -- a name, not a secret


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
    def from_text(cls, text: str) -> Secret:
        """Give the secret that a text stands for; white space around it does not count."""
        key = hashlib.blake2b(text.strip().encode(), digest_size=32, person=b"sandbox mask key").digest()
        return cls(key=key, id=hashlib.blake2b(b"id", key=key, digest_size=8).hexdigest())


def load_secret(home: Path, *, root: Path | None = None, progress: Progress | None = None) -> Secret:
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
    text, named = read_secret_variable(SECRET_VARIABLE), read_secret_variable(SECRET_FILE_VARIABLE)
    if text is not None and named is not None:
        raise ConfigError(f"{SECRET_VARIABLE} and {SECRET_FILE_VARIABLE} are both set", hint="unset one of them")
    if text is not None:
        return _parse_secret(text, SECRET_VARIABLE)
    if named is not None:
        return _read_secret(Path(named).expanduser().absolute(), root)
    place = home / SECRET_FILE
    with lock_path(place):
        if not place.exists():
            write_file(place, secrets.token_hex(32) + "\n", mode=0o600)
            if progress is not None:
                progress.print_message(
                    f"made a secret for masks: {place}; teams share one, so that their masks agree (docs/masking.md)"
                )
    return _read_secret(place, None)


def _read_secret(place: Path, root: Path | None) -> Secret:
    if root is not None and place.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"{place} lies in the project, where it could be committed",
            hint=f"move it out, for example to ~/.config, and correct {SECRET_FILE_VARIABLE}",
        )
    if not place.is_file():
        raise ConfigError(
            f"{place}, which {SECRET_FILE_VARIABLE} names, is not there or no file",
            hint=f"make one: {MAKE_SECRET_COMMAND}",
        )
    with translate_os_errors(place):
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
        raise ConfigError(f"{place} cannot be read as text", hint=f"make another: {MAKE_SECRET_COMMAND}") from None
    return _parse_secret(text, str(place))


def _parse_secret(text: str, where: str) -> Secret:
    if len(text.strip()) < MIN_SECRET_LENGTH:
        raise ConfigError(
            f"the secret in {where} is too short: {len(text.strip())} characters, and it needs {MIN_SECRET_LENGTH}",
            hint=f"make one: {MAKE_SECRET_COMMAND}",
        )
    return Secret.from_text(text)
