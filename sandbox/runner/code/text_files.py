"""Read the text files of one version of the code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.scratch import make_scratch_folder

if TYPE_CHECKING:
    from sandbox.runner.code.checkout import CodeCheckout

MAX_BYTES = 2_000_000
PROSE_SUFFIXES = frozenset({".md", ".rst", ".txt", ".lock"})


def read_text_files(code: CodeCheckout) -> dict[str, str]:
    """Return the text of each file by its path; without prose, links, large files and files that are not UTF-8.

    Raises:
        ConfigError: See `CodeCheckout.export`.
        StoreError: The disk is full.
    """
    texts = {}
    with make_scratch_folder("code") as folder:
        code.export(folder)
        for parent, _, names in os.walk(folder):
            for path in (Path(parent) / name for name in names):
                if path.is_symlink() or path.suffix.lower() in PROSE_SUFFIXES or path.stat().st_size > MAX_BYTES:
                    continue
                try:
                    texts[path.relative_to(folder).as_posix()] = path.read_text("utf-8")
                except UnicodeDecodeError:
                    continue
    return texts
