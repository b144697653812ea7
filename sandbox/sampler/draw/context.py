"""Begin a draw: its folder, its journal and its secret; keep what an interrupted one wrote."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sandbox
from sandbox import masking
from sandbox.engine.duckdb.session import DUCKDB_VERSION
from sandbox.errors import SourceError
from sandbox.formatting import format_count
from sandbox.manifest.canonical_json import hash_json
from sandbox.sampler.draw.disk_space import check_disk_space
from sandbox.sampler.draw.journal import Journal
from sandbox.sampler.draw.part_writer import translate_disk_errors
from sandbox.sources.checks import personal_columns
from sandbox.store.folder import lock_path, open_resumable_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config.settings import Project
    from sandbox.masking import Secret
    from sandbox.model import Progress
    from sandbox.sampler.plan.plan import SamplePlan


@dataclass(frozen=True, kw_only=True)
class DrawContext:
    """A draw in progress with its journal and the secret of its masks."""

    project: Project
    plan: SamplePlan
    journal: Journal
    secret: Secret | None
    progress: Progress


@contextlib.contextmanager
def open_draw(
    project: Project, plan: SamplePlan, home: Path, *, here: bool, progress: Progress
) -> Iterator[DrawContext]:
    """Begin a draw in a folder that is removed at its end or kept for a resumption (see `sandbox.sampler.draw.draw`)."""
    personal_columns.check_personal_columns(plan.personal_columns, project.settings)
    store = home / "samples"
    secret = None
    if masking.needs_secret(plan.masks):
        secret = masking.load_secret(home, root=project.root, progress=progress)
    with lock_path(store / plan.request), open_resumable_folder(store, plan.request[:32]) as folder:
        head = compute_draw_digest(plan, project.settings.sample.memory, secret)
        journal = Journal.open(folder, head if here else f"{head} afar")
        try:
            check_disk_space(plan, project.settings.sample.memory, store, written=journal.bytes, here=here)
            with translate_disk_errors(folder):
                yield DrawContext(project=project, plan=plan, journal=journal, secret=secret, progress=progress)
        except KeyboardInterrupt:
            _keep_unfinished_draw(journal, progress)
            raise
        except SourceError as error:
            if error.lost:
                _keep_unfinished_draw(journal, progress)
            raise


def _keep_unfinished_draw(journal: Journal, progress: Progress) -> None:
    """Print what an interrupted draw keeps for the next one, or remove an empty draw."""
    if journal.part_count:
        progress.print_message(
            f"{format_count(journal.part_count, 'part is', 'parts are')} written and kept for a week; the next draw goes on from there"
        )
    else:
        shutil.rmtree(journal.folder, ignore_errors=True)


def compute_draw_digest(plan: SamplePlan, memory: int, secret: Secret | None) -> str:
    """Compute the digest (hex) of everything that determines a draw's bytes; row groups depend on memory."""
    deciding = {
        "plan": {name: getattr(plan, name) for name in ("specification", "tables", "units", "steps", "masks")},
        "groups": [table.compute_row_group_rows(memory) for table in plan.tables.values()],
        "secret": secret.id if secret else None,
        "tool": {"sandbox": sandbox.__version__, "duckdb": DUCKDB_VERSION},
    }
    return hash_json(json.loads(json.dumps(deciding, default=_convert_to_json)))


def _convert_to_json(value: Any) -> Any:
    """Convert a part of a plan to JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value) if item.compare}
    return str(value)  # paths, and the settings' models with all their fields
