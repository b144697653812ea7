"""Lock a project's stack and build environments for versions of its code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox import provisioner
from sandbox.containers.runtime_choice import choose_runtime
from sandbox.manifest.lock import LockDocument
from sandbox.model import POSTGRES_SERVICE
from sandbox.project.code_files import build_code_reader, build_file_reader
from sandbox.project.lock_file import LOCK_FILE, read_lock, read_stored_lock, write_stored_lock
from sandbox.project.services import services as service
from sandbox.store.folder import lock_path, write_file
from sandbox.store.paths import find_home_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.config import Project
    from sandbox.containers.protocol import Runtime
    from sandbox.model import Environment, Progress, ResourceLimits
    from sandbox.provisioner.doctor.check import DoctorCheck
    from sandbox.runner.code.checkout import CodeCheckout


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A project's stack with a runtime.

    Attributes:
        project: The project.
        runtime: Runs the code.
        warning: Message for the user about the runtime, if any.
        frozen: Whether the lock may not change.
    """

    project: Project
    runtime: Runtime
    warning: str | None
    frozen: bool

    @property
    def limits(self) -> ResourceLimits:
        """Initial limits of a run."""
        return self.project.resolve_limits(self.runtime.read_total_memory())

    @property
    def more_memory(self) -> int | None:
        """Memory for the single retry of a run that ran out of it; None if the settings fix the amount."""
        return self.project.compute_retry_memory(self.runtime.read_total_memory())

    def build_project_environment(self, *, sample: str, progress: Progress) -> Environment:
        """Build the environment of the working tree and update ``sandbox.lock`` with it and the sample.

        Raises:
            FrozenMismatchError: The lock would have to change and may not.
        """
        request = provisioner.build_request(
            self.project.settings.stack, build_file_reader(self.project, self.project.root)
        )
        with lock_path(self.project.state_folder / LOCK_FILE):
            previous = read_lock(self.project)
            if self.frozen:
                provisioner.check_frozen(request, previous)
            # A committed lock that satisfies the request is used as it is; missing parts are not resolved silently.
            lock = previous if self.frozen else None
            lock = lock or self._resolve_lock(request, previous, upgrade=False, progress=progress)
            lock = self._pin_packages(lock, services=True, progress=progress)
            environment = self._build_environment(request, lock, progress)
            now = provisioner.record_environment(lock, environment).model_copy(update={"sample": sample})
            if self.frozen:
                provisioner.check_frozen(now, previous)
            elif now != previous:
                write_file(self.project.root / LOCK_FILE, now.to_json_text())
        return environment

    def lock(
        self, *, sample: str | None, upgrade: bool, progress: Progress
    ) -> tuple[LockDocument, LockDocument | None]:
        """Resolve and write the working tree's lock; return it and the previous one."""
        request = provisioner.build_request(
            self.project.settings.stack, build_file_reader(self.project, self.project.root)
        )
        with lock_path(self.project.state_folder / LOCK_FILE):
            previous = read_lock(self.project)
            now = self._resolve_lock(request, previous, upgrade=upgrade, progress=progress)
            if upgrade and self._runtime_name == "docker":
                from sandbox.provisioner.images import environment  # noqa: PLC0415 - the SDK is slow to import

                now = environment.add_base_image(now, previous, home=find_home_folder(), progress=progress)
            now = self._pin_packages(now, services=True, newest=upgrade, progress=progress)
            if sample is not None:
                now = now.model_copy(update={"sample": sample})
            if now != previous:
                write_file(self.project.root / LOCK_FILE, now.to_json_text())
        return now, previous

    def build_code_environment(self, code: CodeCheckout, *, progress: Progress) -> Environment:
        """Build the environment of one version of the code, from its own requirements and lock, if any."""
        request = provisioner.build_request(self.project.settings.stack, build_code_reader(self.project, code))
        return self._build_environment(request, self.find_or_resolve_lock(request, code, progress), progress)

    def build_folder_environment(self, folder: Path, *, progress: Progress) -> Environment:
        """Build the environment for a requirements file in a folder, leaving ``sandbox.lock`` unchanged."""
        request = provisioner.build_request(self.project.settings.stack, build_file_reader(self.project, folder))
        return self._build_environment(request, self.find_or_resolve_lock(request, None, progress), progress)

    def find_or_resolve_lock(
        self, request: provisioner.StackRequest, code: CodeCheckout | None, progress: Progress
    ) -> LockDocument:
        """Return the lock with these inputs: the commit's, the working tree's or a cached one; else resolve it."""
        inputs = provisioner.compute_inputs(request)
        committed = code.read_committed(LOCK_FILE) if code else None
        locks = (
            [LockDocument.parse(committed.decode(errors="replace"), origin=f"{LOCK_FILE} at {code.version.ref}")]
            if code and committed
            else []
        )
        current = read_lock(self.project)
        matching = next((lock for lock in [*locks, *([current] if current else [])] if lock.inputs == inputs), None)
        matching = matching or read_stored_lock(self.project, inputs)
        lock = self._resolve_lock(request, matching, upgrade=False, progress=progress)
        lock = self._pin_packages(lock, progress=progress)
        if lock != matching:
            write_stored_lock(self.project, inputs, lock)
        return lock

    def _resolve_lock(
        self,
        request: provisioner.StackRequest,
        previous: LockDocument | None,
        *,
        upgrade: bool,
        progress: Progress,
    ) -> LockDocument:
        name = self._runtime_name
        return provisioner.resolve_lock(request, previous=previous, upgrade=upgrade, progress=progress, runtime=name)

    def _pin_packages(
        self, lock: LockDocument, *, services: bool = False, newest: bool = False, progress: Progress
    ) -> LockDocument:
        """Pin the Debian packages of the stack's image and services in a lock; pinned ones are kept.

        Args:
            lock: The stack's lock.
            services: Whether it is the project's own lock, which includes services.
            newest: Whether to look up the newest packages of services.
            progress: Shows downloads.
        """
        if self._runtime_name != "docker":
            return lock
        from sandbox.provisioner.images import debian_packages  # noqa: PLC0415 - the SDK is slow to import, and most stacks have none

        images = [(lock.inputs.image, False)] if debian_packages.list_package_names(lock.inputs.image) else []
        if services and service.needs_postgres(self.project):
            images.append((POSTGRES_SERVICE, newest))
        for image, now in images:
            lock = debian_packages.pin_packages(
                lock,
                image,
                home=find_home_folder(),
                progress=progress,
                newest=now,
                frozen=self.frozen and not newest,
            )
        return lock

    def _build_environment(
        self, request: provisioner.StackRequest, lock: LockDocument, progress: Progress
    ) -> Environment:
        return provisioner.ensure_environment(
            request,
            lock,
            self._runtime_name,
            home=find_home_folder(),
            progress=progress,
            frozen=self.frozen,
            python=needs_python(self.project),
        )

    @property
    def _runtime_name(self) -> Literal["docker", "local"]:
        assert self.runtime.name != "fake"
        return self.runtime.name


def open_stack(project: Project, *, frozen: bool, progress: Progress) -> Stack:
    """Choose the runtime and print its warning.

    Raises:
        ContainerEngineError: The settings ask for Docker and no container engine answers.
    """
    runtime, warning = choose_runtime(project.settings.stack.runtime)
    if warning:
        progress.print_message(warning)
    in_ci = os.environ.get("CI") == "true" and (project.root / LOCK_FILE).is_file()
    return Stack(project=project, runtime=runtime, warning=warning, frozen=frozen or in_ci)


def needs_python(project: Project) -> bool:
    """Check whether sandbox's own program runs beside the pipeline, as it needs Python."""
    pipeline = project.settings.pipeline
    return pipeline.kind == "dbt" or "duckdb" in pipeline.inputs


def check_custom_image(project: Project) -> list[DoctorCheck]:
    """Check that the user's image meets the requirements of runs, without building or pulling it."""
    from sandbox.provisioner.images import custom_environment  # noqa: PLC0415 - the SDK is slow to import

    request = provisioner.build_request(project.settings.stack, build_file_reader(project, project.root))
    assert request.custom_image is not None
    return custom_environment.run_custom_image_checks(
        request.custom_image, read_lock(project), python=needs_python(project), home=find_home_folder()
    )
