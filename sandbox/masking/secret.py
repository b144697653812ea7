"""The secret of the masks: from the environment, a file named there, or one generated in the user's folder."""

from __future__ import annotations

import hashlib
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.formatting import format_count
from sandbox.store.folder import lock_path, translate_os_errors, write_file
from sandbox.store.secret_environment import read_secret_variable

if TYPE_CHECKING:
    from sandbox.model import Progress

SECRET_VARIABLE = "SANDBOX_MASK_KEY"  # noqa: S105 -- a name, not a secret
SECRET_FILE_VARIABLE = "SANDBOX_MASK_KEY_FILE"  # noqa: S105 -- a name, not a secret
SECRET_FILE = "mask.key"  # noqa: S105 -- a name, not a secret
MIN_SECRET_LENGTH = 32  # characters; 128 bits as hexadecimal digits
MAKE_SECRET_COMMAND = "python3 -c 'import secrets; print(secrets.token_hex(32))'"  # noqa: S105 -- a name, not a secret


@dataclass(frozen=True, kw_only=True)
class Secret:
    """The secret; only ``id`` may be written anywhere.

    Attributes:
        key: 32 bytes.
        id: Identifies the key (16 hex digits) without revealing it.
    """

    key: bytes = field(repr=False)
    id: str

    @classmethod
    def from_text(cls, text: str) -> Secret:
        """Return the secret derived from a text, ignoring surrounding white space."""
        key = hashlib.blake2b(text.strip().encode(), digest_size=32, person=b"sandbox mask key").digest()
        return cls(key=key, id=hashlib.blake2b(b"id", key=key, digest_size=8).hexdigest())


def load_secret(home: Path, *, root: Path | None = None, progress: Progress | None = None) -> Secret:
    """Return the secret: ``$SANDBOX_MASK_KEY``, the file ``$SANDBOX_MASK_KEY_FILE``, or the user's ``mask.key``.

    The project's folder, ``root``, must not contain the file.

    The last is created if missing; concurrent processes agree on one.

    Raises:
        ConfigError: It is too short, set twice, in the project, or readable by others.
        StoreError: It cannot be created.
    """
    text, named = read_secret_variable(SECRET_VARIABLE), read_secret_variable(SECRET_FILE_VARIABLE)
    if text is not None and named is not None:
        raise ConfigError(f"{SECRET_VARIABLE} and {SECRET_FILE_VARIABLE} are both set", hint="unset one of them")
    if text is not None:
        return _parse_secret(text, SECRET_VARIABLE)
    if named is not None:
        return _read_secret(Path(named).expanduser().absolute(), root)
    path = home / SECRET_FILE
    with lock_path(path):
        if not path.exists():
            write_file(path, secrets.token_hex(32) + "\n", mode=0o600)
            if progress is not None:
                progress.print_message(
                    f"made a secret for masks: {path}; teams share one, so that their masks agree (docs/masking.md)"
                )
    return _read_secret(path, None)


def find_secret(home: Path, *, root: Path | None = None) -> Secret | None:
    """Return the secret as `load_secret` does; None if there is none, without creating one."""
    is_named = any(map(read_secret_variable, (SECRET_VARIABLE, SECRET_FILE_VARIABLE)))
    return load_secret(home, root=root) if is_named or (home / SECRET_FILE).exists() else None


def _read_secret(path: Path, root: Path | None) -> Secret:
    if root is not None and path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"{path} lies in the project, where it could be committed",
            hint=f"move it out, for example to ~/.config, and correct {SECRET_FILE_VARIABLE}",
        )
    if not path.is_file():
        raise ConfigError(
            f"{path}, which {SECRET_FILE_VARIABLE} names, is not there or no file",
            hint=f"make one: {MAKE_SECRET_COMMAND}",
        )
    with translate_os_errors(path):
        state = path.stat()
    if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path} holds the secret of the masks and others can read it (mode {stat.S_IMODE(state.st_mode):o})",
            hint=f"chmod 600 '{path}'",
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        # Without the original error: its text would quote the file.
        raise ConfigError(f"{path} cannot be read as text", hint=f"make another: {MAKE_SECRET_COMMAND}") from None
    return _parse_secret(text, str(path))


def _parse_secret(text: str, where: str) -> Secret:
    if len(text.strip()) < MIN_SECRET_LENGTH:
        raise ConfigError(
            f"the secret in {where} is too short: {format_count(len(text.strip()), 'character')}, and it needs {MIN_SECRET_LENGTH}",
            hint=f"make one: {MAKE_SECRET_COMMAND}",
        )
    return Secret.from_text(text)
