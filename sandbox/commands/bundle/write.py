"""``sandbox bundle``: write sample, locks, wheels, packages and images into one archive."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.commands.bundle.contents import list_contents
from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import hash_file, hash_json
from sandbox.project.registry import make_state_folder
from sandbox.project.sample import ensure_sample
from sandbox.project.stack import open_stack
from sandbox.samples.specification import compute_request_id
from sandbox.store.blob_archive import open_blob_writer
from sandbox.store.bundle_document import BundledFile, BundledImage, BundleDocument
from sandbox.store.folder import make_staging_folder, translate_os_errors
from sandbox.tar_files import read_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sandbox.commands.bundle.contents import BundleContents
    from sandbox.config import Project
    from sandbox.containers.docker.images import Client, EngineImage
    from sandbox.model import Progress
    from sandbox.store.blob_archive import BlobWriter


@dataclass(frozen=True, kw_only=True)
class BundleResult:
    """A written bundle; ``digest`` is the SHA-256 (hex) of its document, which names everything else by digest."""

    file: Path
    digest: str
    bytes: int
    document: BundleDocument

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``sandbox bundle --json``."""
        return {
            "format_version": 1,
            "file": str(self.file),
            "digest": self.digest,
            "bytes": self.bytes,
            "sample": self.document.sample,
            "platform": self.document.platform,
            "files": len(self.document.files),
            "images": [image.reference for image in self.document.images],
        }


def write_bundle(project: Project, file: Path, *, progress: Progress) -> BundleResult:
    """Write what ``create`` and ``diff`` need to an archive, after preparing it; an interrupted call is resumed.

    Raises:
        SandboxError: Something cannot be prepared, or the archive cannot be written.
    """
    file = file.absolute()
    with translate_os_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    make_state_folder(project.state_folder)
    stack = open_stack(project, frozen=False, progress=progress)
    drawn = ensure_sample(project, progress=progress)
    contents = list_contents(project, stack, drawn, progress)
    document = BundleDocument(
        project=project.settings.project.name,
        request=compute_request_id(project.settings),
        sample=drawn.sample.fingerprint,
        platform=contents.platform,
        files=_describe_files(contents),
        images=[],
    )
    with _open_images(contents.images) as (client, images):
        plan = hash_json([document.to_dict(), {name: image.id for name, image in images.items()}])
        with open_blob_writer(file, plan) as writer:
            _add_files(writer, contents, document, progress)
            bundled = [
                _add_image(writer, client, name, image, scratch=file.parent, progress=progress)
                for name, image in images.items()
            ]
            text = document.model_copy(update={"images": bundled}).to_json_text()
            with translate_os_errors(file):
                writer.write_document(text)
    return BundleResult(
        file=file,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        bytes=file.stat().st_size,
        document=BundleDocument.parse(text, origin=str(file)),
    )


def _describe_files(contents: BundleContents) -> list[BundledFile]:
    files = [
        BundledFile(path=name, sha256=hash_file(path), bytes=path.stat().st_size)
        for name, path in sorted(contents.files.items())
    ]
    texts = [(name, lock.to_json_text().encode()) for name, lock in sorted(contents.locks.items())]
    return [
        *files,
        *(BundledFile(path=name, sha256=hashlib.sha256(text).hexdigest(), bytes=len(text)) for name, text in texts),
    ]


@contextlib.contextmanager
def _open_images(names: set[str]) -> Iterator[tuple[Client | None, Mapping[str, EngineImage]]]:
    """Yield a client of the container engine and the images of these names; no client without names."""
    if not names:
        yield None, {}
        return
    from sandbox.containers.docker import images  # noqa: PLC0415 - the SDK is slow to import
    from sandbox.containers.docker.client import open_client  # noqa: PLC0415

    with contextlib.closing(open_client()) as client:
        found = {name: images.find_image(client, name) for name in sorted(names)}
        missing = [name for name, image in found.items() if image is None]
        if missing:
            raise StoreError(f"the container engine lost the image {missing[0]}", hint="try again")
        yield client, {name: image for name, image in found.items() if image is not None}


def _add_files(writer: BlobWriter, contents: BundleContents, document: BundleDocument, progress: Progress) -> None:
    texts = {name: lock.to_json_text().encode() for name, lock in contents.locks.items()}
    total = sum(file.bytes for file in document.files)
    with progress.step("bundling sample, wheels and packages", total=total, unit="bytes") as advance:
        for file in document.files:
            chunks: Iterable[bytes] = (
                [texts[file.path]] if file.path in texts else _read_file(contents.files[file.path])
            )
            with translate_os_errors(writer.path):
                writer.add_blob(file.sha256, file.bytes, chunks)
            advance(file.bytes)


def _read_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from read_stream(file.read)


def _add_image(
    writer: BlobWriter, client: Client | None, name: str, image: EngineImage, *, scratch: Path, progress: Progress
) -> BundledImage:
    from sandbox.containers.docker import image_archive  # noqa: PLC0415 - the SDK is slow to import

    assert client is not None, "there are images"
    with (
        make_staging_folder(scratch, label="image") as folder,
        progress.step(f"bundling the image {name.partition('@')[0]}", total=image.bytes, unit="bytes") as advance,
        translate_os_errors(folder),
        image_archive.save_image(client, image, folder) as saved,
    ):
        for part in (saved.config, *saved.layers):
            writer.add_blob(part.digest, part.size, part.chunks)
            advance(part.size)
        return BundledImage(reference=name, config=saved.config.digest, layers=list(saved.layer_digests))
