"""Keep the key by which an installation recognises its own records."""

from __future__ import annotations

import functools
import os
import secrets
import stat
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.store.folder import lock_path, translate_os_errors, write_file
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path

SEAL_KEY_FILE = "seal.key"
KEY_BYTES = 32


def load_seal_key() -> bytes:
    """Return the key of this user's installation, ``seal.key`` in the home folder; create a missing one.

    Raises:
        ConfigError: Other users could have read or written the file, or it holds no key.
        StoreError: The file cannot be written.
    """
    return _load_key(find_home_folder() / SEAL_KEY_FILE)


@functools.cache
def _load_key(path: Path) -> bytes:
    if not path.exists():
        with lock_path(path):
            if not path.exists():
                write_file(path, secrets.token_hex(KEY_BYTES) + "\n", mode=0o600)
    with translate_os_errors(path):
        status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise _build_error(
            path, f"mode {stat.S_IMODE(status.st_mode):o}, user {status.st_uid}: others could have read or written it"
        )
    try:
        key = bytes.fromhex(path.read_text("utf-8"))
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise _build_error(path, "it holds no key")
    return key


def _build_error(path: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"{path}, by which this installation knows its own records, cannot be trusted: {problem}",
        hint=f"remove it: rm '{path}'; a new one is made, and earlier runs are made again",
    )
