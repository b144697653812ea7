"""``sandbox export``: write the stack of a run as files for docker compose or VS Code."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jinja2

from sandbox.containers import fixed_environment
from sandbox.containers.docker import engine_api as plan
from sandbox.errors import ContainerEngineError, UsageError
from sandbox.project.create import create
from sandbox.project.pipeline_run import resolve_command
from sandbox.project.services.labels import build_object_name
from sandbox.store.folder import translate_os_errors, write_file
from sandbox.store.paths import find_packaged_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.model import Progress
    from sandbox.project.create import Sandbox

ExportFormat = Literal["compose", "devcontainer"]
EXPORT_FILES: Mapping[ExportFormat, str] = {
    "compose": "compose.yaml",
    "devcontainer": ".devcontainer/devcontainer.json",
}
DEVCONTAINER_NOTE = "an editor's server needs a network and a writable root, so a development container has both; runs of sandbox do not"
SERVICES_NOTE = "services are not in it: sandbox create brings them up, and sandbox run lets the pipeline reach them"
CODE_PATH, SAMPLE_PATH, OUTPUT_PATH = "/sandbox/code", "/sandbox/sample", "/sandbox/output"


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """The written file, with notes on its limitations."""

    file: Path
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox export --json``."""
        return {"format_version": 1, "file": str(self.file), "notes": list(self.notes)}


def export(project: Project, form: ExportFormat, *, name: str, overwrite: bool, progress: Progress) -> ExportResult:
    """Write a file for docker compose or development containers, after preparing sample and image.

    Raises:
        UsageError: The file exists and may not be overwritten.
        ContainerEngineError: The runtime is local and has no image.
    """
    file = project.root / EXPORT_FILES[form]
    if file.exists() and not overwrite:
        raise UsageError(f"{file} is there already", hint=f"to write it anew: sandbox export {form} --force")
    ready = create(project, name=name, frozen=False, progress=progress)
    if ready.environment.runtime != "docker":
        raise ContainerEngineError(
            "there is no image to export: the runtime is local",
            hint="start Docker and leave out SANDBOX_RUNTIME=local",
        )
    user = plan.choose_user(os.getuid(), os.getgid(), rootless=False)
    output = project.state_folder / "exported" / name
    with translate_os_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        if user.needs_chown:
            os.chown(output, user.uid, user.gid)
    render = _render_compose if form == "compose" else _render_devcontainer
    write_file(file, render(project, ready, name, output, user))
    notes = (DEVCONTAINER_NOTE,) if form == "devcontainer" else ()
    return ExportResult(file=file, notes=(*notes, *((SERVICES_NOTE,) if ready.services else ())))


def _build_variables(project: Project, ready: Sandbox) -> dict[str, str]:
    """Build a run's environment variables, as in `sandbox.runner.run`."""
    known = {"sample": SAMPLE_PATH, "output": OUTPUT_PATH, "database": "", "database_url": ""}
    user_variables = {name: value.format(**known) for name, value in project.settings.pipeline.env.items()}
    limits = ready.stack.limits
    return {
        **fixed_environment.build_variables(limits, home=plan.HOME_PATH, temporary=plan.TMP_PATH),
        "SANDBOX_SAMPLE": SAMPLE_PATH,
        "SANDBOX_OUTPUT": OUTPUT_PATH,
        **user_variables,
    }


def _render_compose(project: Project, ready: Sandbox, name: str, output: Path, user: plan.ContainerUser) -> str:
    limits = ready.stack.limits
    environment = jinja2.Environment(  # noqa: S701 - no HTML: every value is written as JSON, a subset of YAML
        loader=jinja2.FileSystemLoader(find_packaged_folder("templates")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    # Omit JSON's escapes for HTML.
    environment.policies["json.dumps_function"] = _format_json
    mounts = [
        {"source": str(ready.sample.sample.path / "tables"), "target": SAMPLE_PATH, "read_only": True},
        {"source": str(project.root), "target": CODE_PATH, "read_only": True},
        {"source": str(output), "target": OUTPUT_PATH, "read_only": False},
    ]
    return environment.get_template("compose.yaml").render(
        name=build_object_name(project, name).lower(),
        image=ready.environment.reference,
        command=_escape_variables(resolve_command(project)),
        user=str(user),
        pids=limits.pids,
        memory=limits.memory_bytes,
        cpus=limits.cpus,
        tmpfs=[f"{target}:{options}" for target, options in plan.build_tmpfs_options(limits, user).items()],
        variables={key: _escape_variables(value) for key, value in _build_variables(project, ready).items()},
        mounts=[{**mount, "source": _escape_variables(str(mount["source"]))} for mount in mounts],
        output=str(output).replace("\n", " "),
    )


def _render_devcontainer(project: Project, ready: Sandbox, name: str, output: Path, user: plan.ContainerUser) -> str:
    limits = ready.stack.limits
    document = {
        "name": f"sandbox {project.settings.project.name}",
        "image": ready.environment.reference,
        "workspaceFolder": CODE_PATH,
        "workspaceMount": f"source=${{localWorkspaceFolder}},target={CODE_PATH},type=bind",
        "mounts": [
            f"source={ready.sample.sample.path / 'tables'},target={SAMPLE_PATH},type=bind,readonly",
            f"source={output},target={OUTPUT_PATH},type=bind",
        ],
        "containerEnv": _build_variables(project, ready),
        "containerUser": str(user.uid),
        "updateRemoteUserUID": False,
        "runArgs": [
            *(
                "--init",
                "--cap-drop=ALL",
                "--security-opt=no-new-privileges:true",
                f"--pids-limit={limits.pids}",
            ),
            *([f"--group-add={user.gid}"] if user.needs_chown else []),  # through which it reads what root owns
            *(
                f"--memory={limits.memory_bytes}",
                f"--memory-swap={limits.memory_bytes}",
                f"--cpus={limits.cpus:g}",
            ),
            f"--name={build_object_name(project, name).lower()}-devcontainer",
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _format_json(value: object, **_: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _escape_variables(text: str) -> str:
    """Escape variables against docker compose's interpolation."""
    return text.replace("$", "$$")
