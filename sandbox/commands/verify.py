"""``sandbox verify``: check samples and runs against their records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError, UsageError
from sandbox.manifest.run import RunRecord
from sandbox.runner.output_records import find_damage
from sandbox.runner.run import RECORD_FILE
from sandbox.samples import catalog
from sandbox.samples import verify as samples
from sandbox.store.paths import find_home_folder
from sandbox.store.seal_key import load_seal_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Progress


@dataclass(frozen=True, kw_only=True)
class VerifyResult:
    """The problems of each checked sample or run; none if it matches its record."""

    problems: dict[str, list[str]]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox verify --json``."""
        return {"format_version": 1, "verified": self.problems}

    def raise_for_problems(self) -> None:
        """Raise an error if there are problems.

        Raises:
            StoreError: With every problem.
        """
        wrong = [f"  {name}: {problem}" for name, problems in self.problems.items() for problem in problems]
        if wrong:
            raise StoreError(
                "\n".join(["what is stored is not what was recorded:", *wrong]),
                hint="a sample: sandbox sample --refresh; a run: sandbox run --fresh",
            )


def verify(project: Project, *, what: str | None, progress: Progress) -> VerifyResult:
    """Check the project's sample and runs, or the single sample or run with the name prefix ``what``.

    Raises:
        UsageError: None or several match.
    """
    if what is None:
        drawn = catalog.find_sample(project, find_home_folder())
        sample_paths = [drawn.path] if drawn else []
    else:
        sample_paths = [sample.path for sample in catalog.list_samples(find_home_folder())]
    paths = {path.name: path for path in (*sample_paths, *_list_runs(project))}
    if what is not None:
        names = [name for name in paths if name.startswith(what)]
        if len(names) != 1:
            many = (
                f"more than one sample or run begins with {what!r}" if names else f"no sample or run is called {what!r}"
            )
            raise UsageError(many, hint=f"there are: {', '.join(sorted(paths)) or 'none'}")
        paths = {names[0]: paths[names[0]]}
    return VerifyResult(problems={name: _find_problems(path, progress) for name, path in paths.items()})


def _list_runs(project: Project) -> Iterator[Path]:
    folder = project.state_folder / "runs"
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _find_problems(path: Path, progress: Progress) -> list[str]:
    if path.parent.name == "samples":
        return samples.verify_sample(path, progress)
    try:
        record = RunRecord.read(path / RECORD_FILE, key=load_seal_key())
    except StoreError as error:
        return [error.message]
    damage = find_damage(path, record)
    return [damage] if damage else []
