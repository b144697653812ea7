"""Custom images: a Dockerfile of the repository, or an image of the container engine by name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.errors import ConfigError
from sandbox.manifest.canonical_json import hash_json
from sandbox.provisioner.images import dockerfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DOCKERFILE_NAME = "Dockerfile"


@dataclass(frozen=True, kw_only=True)
class CustomImage:
    """A custom image named in ``stack.image``.

    Attributes:
        name: The value of ``stack.image``.
        files: The Dockerfile and the files it copies, by path in the build context; empty for an image by name.
        dockerfile_inputs: The Dockerfile's inputs; None for an image by name.
        network: Whether its build has a network.
    """

    name: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    dockerfile_inputs: dockerfile.DockerfileInputs | None = None
    network: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all its files, or of its name."""
        if self.dockerfile_inputs is None:
            return hash_json({"image": self.name})
        return hash_json({"files": {path: hashlib.sha256(content).hexdigest() for path, content in self.files.items()}})


def read_custom_image(name: str, read: Callable[[str], bytes], *, network: bool) -> CustomImage:
    """Read the files of a custom image.

    Args:
        name: An image, or a path relative to ``sandbox.toml`` that begins with ``./``: a Dockerfile or its folder.
        read: Returns a file of this version of the code.
        network: Whether its build has a network.

    Raises:
        ConfigError: There is no such file, or the Dockerfile has inputs that cannot be determined.
    """
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise ConfigError(
            f"stack.image = {name!r} lies outside the project",
            hint="a path is relative to sandbox.toml, as in ./docker",
        )
    if not name.startswith("./"):
        return CustomImage(name=name)
    path = PurePosixPath(name)
    if not (path.name.startswith(DOCKERFILE_NAME) or path.name.lower().endswith(".dockerfile")):
        path /= DOCKERFILE_NAME
    content = read(str(path))
    try:
        taken = dockerfile.parse_dockerfile(str(path), content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}", hint="save it as UTF-8") from error
    copied = {file: read(str(path.parent / file)) for file in taken.files}
    return CustomImage(name=name, files={**copied, DOCKERFILE_NAME: content}, dockerfile_inputs=taken, network=network)
