"""Build the stacks of the two versions that a diff compares by default: the working tree, and production's."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import provisioner
from sandbox.errors import ConfigError
from sandbox.project.code_files import build_code_reader, build_file_reader
from sandbox.project.committed_settings import build_version_project
from sandbox.project.lock_file import read_lock
from sandbox.project.pipeline_run import open_code

if TYPE_CHECKING:
    from sandbox.config import Project
    from sandbox.manifest.lock import LockDocument
    from sandbox.model import Environment, Progress
    from sandbox.project.stack import Stack
    from sandbox.provisioner import StackRequest


@dataclass(frozen=True, kw_only=True)
class VersionStack:
    """The stack of one version of the code, built."""

    request: StackRequest
    lock: LockDocument
    environment: Environment


def build_working_tree_stack(project: Project, stack: Stack, sample: str, progress: Progress) -> VersionStack:
    """Build the stack of the working tree and update ``sandbox.lock``."""
    environment = stack.build_project_environment(sample=sample, progress=progress)
    request = provisioner.build_request(project.settings.stack, build_file_reader(project, project.root))
    lock = read_lock(project)
    assert lock is not None, "the environment was built from it"
    return VersionStack(request=request, lock=lock, environment=environment)


def build_production_stack(project: Project, stack: Stack, progress: Progress) -> VersionStack | None:
    """Build the stack of production's version; None without such a version, which a diff needs and `create` does not."""
    ref = project.settings.pipeline.production
    try:
        version_project = build_version_project(project, ref)
        opened = open_code(version_project, ref)
        with opened as code:
            version_stack = dataclasses.replace(stack, project=version_project)
            request = provisioner.build_request(
                version_project.settings.stack, build_code_reader(version_project, code)
            )
            lock = version_stack.find_or_resolve_lock(request, code, progress)
            environment = version_stack.build_code_environment(code, progress=progress)
    except ConfigError as error:
        progress.print_message(f"warning: production's version is left out: {error.message}")
        return None
    return VersionStack(request=request, lock=lock, environment=environment)
