"""Take images apart into their configuration and layers, and load them into a container engine from these."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.containers.docker.client import translate_errors
from sandbox.containers.docker.images import Client, EngineImage, find_image
from sandbox.errors import ContainerEngineError
from sandbox.tar_files import END_OF_TAR, format_tar_member, read_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import IO

GZIP_MAGIC = b"\x1f\x8b"
TRANSFER_SECONDS = 1800  # for the engine to pack or unpack one image


@dataclass(frozen=True, kw_only=True)
class SavedFile:
    """A file of a saved image: its SHA-256 (hex), its size, and its content in chunks."""

    digest: str
    size: int
    chunks: Iterable[bytes]


@dataclass(frozen=True, kw_only=True)
class SavedImage:
    """A saved image; ``layers`` are uncompressed, the lowest first, and can be read once."""

    config: SavedFile
    layer_digests: Sequence[str]
    layers: Iterator[SavedFile]


@contextlib.contextmanager
def save_image(client: Client, image: EngineImage, scratch: Path) -> Iterator[SavedImage]:
    """Yield an image's configuration and layers for the duration of the block.

    Args:
        client: The container engine's client.
        image: The image.
        scratch: An empty folder; it needs the image's size.

    Raises:
        ContainerEngineError: The engine does not give it, or gives something else.
        OSError: The disk is full.
    """
    file = scratch / "image.tar"
    name = image.tags[0] if image.tags else image.id
    client.api.timeout = TRANSFER_SECONDS
    with translate_errors(f"save the image {name}"), file.open("wb") as written:
        for chunk in client.api.get_image(image.id):
            written.write(chunk)
    with tarfile.open(file, "r:") as tar:
        entry: dict[str, Any] = json.load(_open_member(tar, "manifest.json"))[0]
        config = _open_member(tar, entry["Config"]).read()
        digests = [str(value).removeprefix("sha256:") for value in json.loads(config)["rootfs"]["diff_ids"]]
        if len(digests) != len(entry["Layers"]):
            raise ContainerEngineError(
                f"the container engine saved {name} without some of its layers", hint="sandbox doctor"
            )
        pairs = zip(digests, entry["Layers"], strict=True)
        yield SavedImage(
            config=SavedFile(digest=hashlib.sha256(config).hexdigest(), size=len(config), chunks=[config]),
            layer_digests=digests,
            layers=(_read_layer(tar, digest, path, scratch) for digest, path in pairs),
        )


def _open_member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    opened = tar.extractfile(name)  # follows links within the archive
    assert opened is not None, "the engine's archives have files of these names"
    return opened


def _read_layer(tar: tarfile.TarFile, digest: str, name: str, scratch: Path) -> SavedFile:
    """Return a layer; one that the engine keeps compressed is unpacked into a file first."""
    content = _open_member(tar, name)
    packed = content.read(2) == GZIP_MAGIC
    content.seek(0)
    if packed:
        file = scratch / "layer.tar"
        with gzip.open(content) as unpacked, file.open("wb") as written:
            for chunk in read_stream(unpacked.read):
                written.write(chunk)
        content = file.open("rb")
    size = content.seek(0, 2)
    content.seek(0)
    return SavedFile(digest=digest, size=size, chunks=read_stream(content.read))


def load_image(
    client: Client,
    reference: str,
    *,
    config: str,
    layers: Sequence[str],
    sizes: Callable[[str], int],
    read: Callable[[str], Iterable[bytes]],
) -> None:
    """Load an image under a name that the engine does not hold.

    Args:
        client: The container engine's client.
        reference: The name and tag.
        config: The SHA-256 (hex) of its configuration.
        layers: Those of its layers, the lowest first.
        sizes: Returns the bytes of one of these.
        read: Returns the verified content of one of these.

    Raises:
        ContainerEngineError: The engine refuses it, or made another image of it.
        StoreError: A content cannot be read.
    """
    client.api.timeout = TRANSFER_SECONDS
    said = ""
    with translate_errors(f"load the image {reference}"):
        for event in client.api.load_image(_format_archive(reference, config, layers, sizes, read)):
            said = str(event.get("error") or event.get("message") or event.get("stream") or said).strip()
    loaded = find_image(client, reference)
    if loaded is None or [layer.removeprefix("sha256:") for layer in loaded.layers] != list(layers):
        raise ContainerEngineError(f"the container engine did not load the image {reference}: {said}")


def _format_archive(
    reference: str,
    config: str,
    layers: Sequence[str],
    sizes: Callable[[str], int],
    read: Callable[[str], Iterable[bytes]],
) -> Iterator[bytes]:
    names = [f"{digest}.tar" for digest in layers]
    manifest = json.dumps([{"Config": f"{config}.json", "RepoTags": [reference], "Layers": names}]).encode()
    yield from format_tar_member("manifest.json", len(manifest), [manifest])
    yield from format_tar_member(f"{config}.json", sizes(config), read(config))
    for digest in dict.fromkeys(layers):
        yield from format_tar_member(f"{digest}.tar", sizes(digest), read(digest))
    yield END_OF_TAR
