"""``sandbox shell``: a terminal inside the stack, on the sample, isolated as a run is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.commands.create import create
from sandbox.commands.run import code_of, labels, object_name
from sandbox.containers.protocol import Job, Mount

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.model import Progress

COMMAND = 'exec "$(command -v bash || command -v sh)"'


def shell(project: Project, *, name: str, frozen: bool, progress: Progress) -> int:
    """Open a shell with a copy of the working tree; what it leaves in ``$SANDBOX_OUTPUT`` is gone afterwards.

    Returns:
        The shell's exit status.
    """
    ready = create(project, name=name, frozen=frozen, progress=progress)
    runtime = ready.stack.runtime
    with tempfile.TemporaryDirectory(prefix="sandbox-shell-") as place, code_of(project, None) as code:
        folders = {part: Path(place) / part for part in ("code", "output")}
        for folder in folders.values():
            folder.mkdir()
        code.export(folders["code"])
        workdir = Mount(source=folders["code"], target="/sandbox/code", writable=True)
        sample = Mount(source=ready.sample.sample.path / "tables", target="/sandbox/sample")
        output = Mount(source=folders["output"], target="/sandbox/output", writable=True)
        seen = {"sample": runtime.seen(sample), "output": runtime.seen(output)}
        own = {key: value.format(**seen) for key, value in project.settings.pipeline.env.items()}
        variables = {"SANDBOX_SAMPLE": seen["sample"], "SANDBOX_OUTPUT": seen["output"], **own}
        terminal = {"TERM": os.environ.get("TERM", "dumb"), "PS1": f"(sandbox {name}) \\w \\$ "}
        return runtime.shell(
            Job(
                name=f"{object_name(project, name)}-shell-{os.getpid()}",
                labels={**labels(project, name), "role": "shell"},
                environment=ready.environment,
                command=COMMAND,
                workdir=workdir,
                mounts=(sample, workdir, output),
                variables={**variables, **terminal},
                limits=project.limits,
            )
        )
