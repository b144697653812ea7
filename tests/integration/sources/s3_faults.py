"""A server between pyarrow and the S3 server of the tests, that answers some requests with a fault."""

from __future__ import annotations

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CUT = 0
"""The status that stands for a connection that is cut instead of an answer."""
CODES = {503: "SlowDown", 403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError", 400: "ExpiredToken"}


class FaultyServer(ThreadingHTTPServer):
    """Passes requests on to an S3 server, but for those that `choose_fault` gives a status for.

    Attributes:
        choose_fault: Takes method and path of a request, and returns the status to answer with, `CUT`, or None.
        faults: The number of requests that were answered with a fault.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.choose_fault: Callable[[str, str], int | None] = lambda method, path: None
        self.faults = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: clients that end a connection are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def _pass_on(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.choose_fault(self.command, self.path)
        if fault is None:
            self._answer(content)
            return
        self.server.faults += 1
        if fault == CUT:
            self.connection.close()
            self.close_connection = True
            return
        body = b"" if self.command == "HEAD" else f"<Error><Code>{CODES[fault]}</Code></Error>".encode()
        self.send_response(fault)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, content: bytes) -> None:
        with contextlib.closing(http.client.HTTPConnection(self.server.target)) as connection:
            connection.request(self.command, self.path, body=content or None, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "content-length", "connection", "date", "server"}:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the names that the library calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log nothing."""


@contextlib.contextmanager
def started(target: str) -> Iterator[FaultyServer]:
    """Start a server before another; it ends with the block."""
    server = FaultyServer(target)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
