from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from sandbox.containers.docker import images
from sandbox.errors import ContainerEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docker
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def image_of_one_file(content: bytes) -> tuple[bytes, dict[str, bytes]]:
    """A manifest and its blobs by digest."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    blob = layer.getvalue()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(blob)]},
            "history": [{"created_by": "test"}],
        }
    ).encode()
    described = [
        {"mediaType": kind, "size": len(part), "digest": digest_of(part)}
        for kind, part in (
            ("application/vnd.docker.container.image.v1+json", config),
            ("application/vnd.docker.image.rootfs.diff.tar", blob),
        )
    ]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]}
    return json.dumps(manifest).encode(), {digest_of(part): part for part in (config, blob)}


@contextmanager
def registry(manifest: bytes, blobs: dict[str, bytes]) -> Iterator[str]:
    """A registry that has one image, by its digest; gives its address."""

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            wanted = self.path.rpartition("/")[2]
            known = {digest_of(manifest): manifest, **blobs, "": b"{}"}
            content = known.get(wanted)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Type", MANIFEST if content == manifest else "application/octet-stream")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_image_is_pulled_and_found_by_its_digest(engine: images.Client) -> None:
    manifest, blobs = image_of_one_file(b"content")
    with registry(manifest, blobs) as address:
        reference = f"{address}/tests/base:named@{digest_of(manifest)}"
        assert images.find_image(engine, reference) is None
        assert images.is_in_registry(engine, reference)
        pulled = images.pull_image(engine, reference, lambda _: None)
    try:
        assert pulled.layers == (list(blobs)[1],)
        assert pulled.tags == ()
        assert images.find_image(engine, reference) == pulled
    finally:
        engine.api.remove_image(pulled.id, force=True)


def test_what_a_registry_does_not_have_is_not_offered(engine: images.Client) -> None:
    manifest, blobs = image_of_one_file(b"content")
    with registry(manifest, blobs) as address:
        assert not images.is_in_registry(engine, f"{address}/tests/base:named@sha256:{'0' * 64}")
    assert not images.is_in_registry(engine, f"{address}/tests/base:named@{digest_of(manifest)}"), "it is gone"


def test_a_pull_that_breaks_off_is_an_error_and_leaves_no_image(engine: images.Client) -> None:
    manifest, blobs = image_of_one_file(b"other content")
    del blobs[list(blobs)[1]]
    with registry(manifest, blobs) as address:
        reference = f"{address}/tests/base:named@{digest_of(manifest)}"
        with pytest.raises(ContainerEngineError, match="cannot pull"):
            images.pull_image(engine, reference, lambda _: None)
        assert images.find_image(engine, reference) is None
