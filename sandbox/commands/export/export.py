"""Write the stack of a run as files for docker compose or development containers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jinja2

from sandbox.commands.export.hidden_paths import list_hidden_paths
from sandbox.commands.export.services import LOAD_PATH, ExportedServices, export_services
from sandbox.containers import fixed_environment
from sandbox.containers.docker import engine_api as plan
from sandbox.errors import ContainerEngineError, UsageError
from sandbox.project.create import create
from sandbox.project.pipeline_run import resolve_command
from sandbox.project.services.labels import build_labels, build_object_name
from sandbox.provisioner.services.notebook import RUN_CELLS_COMMAND
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
DATABASE_NOTE = (
    "its Postgres loads the sample at its first start; all runs share the database, and sandbox rm removes it"
)
CODE_PATH, SAMPLE_PATH, OUTPUT_PATH, WEIGHTS_PATH = (
    "/sandbox/code",
    "/sandbox/sample",
    "/sandbox/output",
    "/sandbox/weights",
)


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """The written file, with notes on its limitations."""

    file: Path
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox export --json``."""
        return {"format_version": 1, "file": str(self.file), "notes": list(self.notes)}


@dataclass(frozen=True, kw_only=True)
class _Export:
    """What both formats write."""

    project: Project
    ready: Sandbox
    name: str
    output: Path
    user: plan.ContainerUser
    services: ExportedServices

    @property
    def variables(self) -> dict[str, str]:
        """A run's environment variables, as in `sandbox.runner.run`."""
        url = self.services.database_url
        known = {"sample": SAMPLE_PATH, "output": OUTPUT_PATH, "database": "", "database_url": url}
        env = self.project.settings.pipeline.env
        return {
            **fixed_environment.build_variables(self.ready.stack.limits, home=plan.HOME_PATH, temporary=plan.TMP_PATH),
            "SANDBOX_SAMPLE": SAMPLE_PATH,
            "SANDBOX_OUTPUT": OUTPUT_PATH,
            **({"SANDBOX_DATABASE_URL": url} if url else {}),
            **{name: value.format(**known) for name, value in env.items()},
        }

    @property
    def object_name(self) -> str:
        """The name of a compose project, which is lower case."""
        return build_object_name(self.project, self.name).lower()


def export(project: Project, form: ExportFormat, *, name: str, overwrite: bool, progress: Progress) -> ExportResult:
    """Write a file for docker compose or development containers, after preparing sample, image and services.

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
    exported = export_services(project, ready, name=name, progress=progress)
    content = _Export(project=project, ready=ready, name=name, output=output, user=user, services=exported)
    if form == "compose":
        write_file(file, _render_template("compose.yaml", content))
    else:
        if exported.is_any:
            write_file(file.with_name("compose.yaml"), _render_template("devcontainer.compose.yaml", content))
        write_file(file, _render_devcontainer(content))
    notes = (DEVCONTAINER_NOTE,) if form == "devcontainer" else ()
    return ExportResult(file=file, notes=(*notes, *((DATABASE_NOTE,) if exported.postgres else ())))


def _render_template(template: str, content: _Export) -> str:
    environment = jinja2.Environment(  # noqa: S701 - no HTML: every value is written as JSON, a subset of YAML
        loader=jinja2.FileSystemLoader(find_packaged_folder("templates") / "export"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    # Omit JSON's escapes for HTML.
    environment.policies["json.dumps_function"] = _format_json
    limits, user = content.ready.stack.limits, content.user
    hidden = list_hidden_paths(content.project)
    labels = plan.build_labels(build_labels(content.project, content.name))
    tmpfs = plan.build_tmpfs_options(limits, user)
    return environment.get_template(template).render(
        name=content.object_name if template == "compose.yaml" else f"{content.object_name}-devcontainer",
        image=content.ready.environment.reference,
        command=_escape_variables(resolve_command(content.project)),
        user=str(user),
        pids=limits.pids,
        memory=limits.memory_bytes,
        cpus=limits.cpus,
        tmpfs=[f"{target}:{options}" for target, options in tmpfs.items()],
        variables={key: _escape_variables(value) for key, value in content.variables.items()},
        mounts=_list_mounts(content, hidden_files=[f"{CODE_PATH}/{path}" for path in hidden.files]),
        hidden_folders=[_escape_variables(f"{CODE_PATH}/{path}") for path in hidden.folders],
        output=str(content.output).replace("\n", " "),
        services=content.services,
        load=_escape_variables(str(content.services.folder)),
        service_labels={key: _escape_variables(value) for key, value in labels.items()},
        run_cells=_escape_variables(RUN_CELLS_COMMAND),
        notebook_home=f"{plan.HOME_PATH}:rw,nosuid,nodev,mode=0700,uid={user.uid},gid={user.gid},size=256m",
        notebook_mounts=_list_notebook_mounts(content),
    )


def _list_mounts(content: _Export, hidden_files: list[str]) -> list[dict[str, Any]]:
    sample = content.ready.sample.sample.path
    return [
        _describe_mount(sample / "tables", SAMPLE_PATH),
        _describe_mount(content.project.root, CODE_PATH),
        *(_describe_mount("/dev/null", path) for path in hidden_files),
        _describe_mount(content.output, OUTPUT_PATH, writable=True),
    ]


def _list_notebook_mounts(content: _Export) -> list[dict[str, Any]]:
    sample = content.ready.sample.sample.path
    return [
        _describe_mount(sample / "tables", SAMPLE_PATH),
        _describe_mount(sample / "weights", WEIGHTS_PATH),
        _describe_mount(content.services.notebooks, "/sandbox/notebooks", writable=True),
        _describe_mount(content.services.folder, LOAD_PATH),
    ]


def _describe_mount(source: Path | str, target: str, *, writable: bool = False) -> dict[str, Any]:
    return {
        "source": _escape_variables(str(source)),
        "target": _escape_variables(target),
        "read_only": not writable,
    }


def _render_devcontainer(content: _Export) -> str:
    common = {
        "name": f"sandbox {content.project.settings.project.name}",
        "workspaceFolder": CODE_PATH,
        "updateRemoteUserUID": False,
    }
    if content.services.is_any:
        document = {**common, "dockerComposeFile": "compose.yaml", "service": "pipeline"}
    else:
        document = {**common, "containerUser": str(content.user.uid), **_describe_single_container(content)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _describe_single_container(content: _Export) -> dict[str, Any]:
    limits, user = content.ready.stack.limits, content.user
    return {
        "image": content.ready.environment.reference,
        "workspaceMount": f"source=${{localWorkspaceFolder}},target={CODE_PATH},type=bind",
        "mounts": [
            f"source={content.ready.sample.sample.path / 'tables'},target={SAMPLE_PATH},type=bind,readonly",
            f"source={content.output},target={OUTPUT_PATH},type=bind",
        ],
        "containerEnv": content.variables,
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
            f"--name={content.object_name}-devcontainer",
        ],
    }


def _format_json(value: object, **_: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _escape_variables(text: str) -> str:
    """Escape variables against docker compose's interpolation."""
    return text.replace("$", "$$")
