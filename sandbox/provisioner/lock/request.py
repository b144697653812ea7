"""A project's requested stack: image, Python and libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.provisioner.images.custom_image import CustomImage, read_custom_image
from sandbox.store import paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.config.sections.stack import StackSection
    from sandbox.manifest.lock import LockedLibrary
from sandbox.model import is_custom_image

SUPPORTED_PYTHONS = ("3.13",)


@dataclass(frozen=True, kw_only=True)
class StackRequest:
    """The stack requested by one version of the code.

    Attributes:
        image: The name of a folder of ``images/``.
        python: The interpreter's version, major and minor.
        requirements: The project's requirements file.
        libraries: The file's requirements in PEP 508 form, normalised and sorted.
        pinned_libraries: Exact versions with hashes in the file, which must not be replaced.
        constraints: Limits on versions of whatever is installed, in PEP 508 form, normalised and sorted.
        custom_image: The user's own image, with its own Python and libraries, if any.
    """

    image: str
    python: str
    requirements: str | None = None
    libraries: tuple[str, ...] = ()
    pinned_libraries: tuple[LockedLibrary, ...] = ()
    constraints: tuple[str, ...] = ()
    custom_image: CustomImage | None = None


def build_request(stack: StackSection, read: Callable[[str], bytes]) -> StackRequest:
    """Return the stack requested by one version of the code.

    Args:
        stack: The ``[stack]`` table.
        read: Returns a file of that version of the code by its path relative to ``sandbox.toml``.

    Raises:
        ConfigError: The image, the Python or a requirement is wrong or unsupported, or the file is missing.
    """
    if is_custom_image(stack.image):
        custom_image = read_custom_image(stack.image, read, network=stack.build_network == "default")
        return StackRequest(image=stack.image, python=stack.python, custom_image=custom_image)
    _check_image(stack.image)
    if stack.python not in SUPPORTED_PYTHONS:
        raise ConfigError(
            f'stack.python = "{stack.python}": the image {stack.image!r} has Python {SUPPORTED_PYTHONS[0]} and no other',
            hint=f'write python = "{SUPPORTED_PYTHONS[0]}" in [stack], or bring an image with that Python: image = "./Dockerfile"',
        )
    if stack.requirements is None:
        return StackRequest(image=stack.image, python=stack.python)
    name = stack.requirements
    from sandbox.provisioner.lock.requirements import read_requirements  # noqa: PLC0415 - slow to import, and often there is no such file

    requirements = read_requirements(name, read, python=stack.python)
    return StackRequest(
        image=stack.image,
        python=stack.python,
        requirements=name,
        libraries=requirements.libraries,
        pinned_libraries=requirements.pinned_libraries,
        constraints=requirements.constraints,
    )


def check_stack(stack: StackSection, read: Callable[[str], bytes], *, origin: str) -> None:
    """Check image, Python, requirements and Dockerfile without a network, a container engine or data.

    Args:
        stack: The ``[stack]`` table.
        read: See `build_request`.
        origin: The name of the settings file.

    Raises:
        ConfigError: Something is wrong; the message names all of it.
    """
    problems = _find_problems(stack, read)
    if len(problems) > 1:
        lines = "".join(f"\n  {problem.message}" for problem in problems)
        hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
        raise ConfigError(f"[stack] in {origin} has several problems:{lines}", hint="\n".join(hints))
    for problem in problems:
        raise problem


def _find_problems(stack: StackSection, read: Callable[[str], bytes]) -> list[ConfigError]:
    """Return the problems of each key with sound values of the others, so that none hides another."""
    python, requirements = {"python": SUPPORTED_PYTHONS[0]}, {"requirements": None}
    changes: list[dict[str, str | None]] = [{**python, **requirements}]
    if not is_custom_image(stack.image):
        changes += [{"image": "python", **requirements}, {"image": "python", **python}]
    problems = []
    for change in changes:
        try:
            build_request(stack.model_copy(update=change), read)
        except ConfigError as error:
            problems.append(error)
    return problems


def _check_image(image: str) -> None:
    images = paths.find_packaged_folder("images")
    known = sorted(file.parent.name for file in images.glob("*/requirements.lock"))
    if image not in known:
        raise ConfigError(
            f"there is no image {image!r}; those of sandbox are: {', '.join(known)}",
            hint="an image of your own is a path (./docker) or has a tag or digest (team/pipeline:3)",
        )
