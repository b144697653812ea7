"""Files in buckets, made readable to a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.engine.duckdb import remote_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.engine.duckdb.session import Session
    from sandbox.sources.listing import SourceFile


def register_bucket_files(session: Session, files: Iterable[SourceFile]) -> None:
    """Let a session read files that lie in a bucket."""
    for file in files:
        if file.system is not None:
            remote_files.register_remote_files(session, file.system, {file.path: (file.bytes, file.modified)})
