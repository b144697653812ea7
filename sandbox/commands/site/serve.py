"""``sandbox report --serve``: show a project's history and status on this machine, to who has the token."""

from __future__ import annotations

import hmac
import secrets
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from sandbox.commands.doctor import doctor
from sandbox.commands.site.read import list_page_files, read_contents
from sandbox.errors import UsageError
from sandbox.report.site.pages import PAGES, render_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.commands.doctor import RuntimeChoice
    from sandbox.config import Project
    from sandbox.model import Progress
    from sandbox.provisioner.doctor.check import DoctorCheck

HOST = "127.0.0.1"
TOKEN_PARAMETER = "token"  # noqa: S105 - the name of a parameter
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReportServer(ThreadingHTTPServer):
    """A server of pages, for who has its token; it reads and never writes.

    Args:
        port: The port on 127.0.0.1; 0 for a free one.
        read_page: Returns the HTML of an address, None if there is none.

    Raises:
        UsageError: The port is in use.
    """

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, port: int, read_page: Callable[[str], bytes | None]) -> None:
        try:
            super().__init__((HOST, port), _PageHandler)
        except OSError as error:
            hint = "another one, or any free one: sandbox report --serve --port 0"
            raise UsageError(f"port {port} cannot be used: {error.strerror}", hint=hint) from error
        self.token = secrets.token_urlsafe(24)
        self.read_page = read_page

    @property
    def cookie(self) -> str:
        """The name of the cookie that keeps the token; cookies of all ports of a host are one set."""
        return f"sandbox_{self.server_port}"

    @property
    def url(self) -> str:
        """The address of the first page, with the token."""
        return f"http://{HOST}:{self.server_port}/?{TOKEN_PARAMETER}={self.token}"

    def is_token(self, given: str) -> bool:
        """Return whether this is the token; it takes as long for every text of one length."""
        return hmac.compare_digest(given.encode(), self.token.encode())


def open_server(project: Project, port: int, *, runtime: RuntimeChoice, progress: Progress) -> ReportServer:
    """Check this machine, and open a server of the project's pages; each is read when it is asked for.

    Raises:
        UsageError: The port is in use.
    """
    checks = doctor(project, runtime=runtime, progress=progress).checks
    return ReportServer(port, lambda address: read_page(project, address, checks=checks))


def read_page(project: Project, address: str, *, checks: Sequence[DoctorCheck]) -> bytes | None:
    """Return the HTML of a page or of a report; None if there is none of that address."""
    if address in PAGES:
        contents = read_contents(project, checks=checks, with_sandboxes=address == "machine.html")
        return render_page(contents, address).encode()
    path = list_page_files(project).get(address)
    return path.read_bytes() if path is not None else None


class _PageHandler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version = "sandbox"
    sys_version = ""
    protocol_version = "HTTP/1.0"
    timeout = 30

    def do_GET(self) -> None:
        """Answer with a page."""
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in hosts:  # another site's name may lead here
            self._answer(HTTPStatus.MISDIRECTED_REQUEST)
            return
        address = urlsplit(self.path)
        given = parse_qs(address.query).get(TOKEN_PARAMETER, [""])[0]
        if given and self.server.is_token(given):
            # The token leaves the address, so that it is in no history and no picture of the screen.
            cookie = f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            self._answer(HTTPStatus.SEE_OTHER, headers={"Location": "/", "Set-Cookie": cookie})
        elif not self.server.is_token(self._read_cookie()):
            self._answer(HTTPStatus.UNAUTHORIZED)
        else:
            page = self.server.read_page(address.path.lstrip("/") or next(iter(PAGES)))
            self._answer(HTTPStatus.OK if page is not None else HTTPStatus.NOT_FOUND, page)

    do_HEAD = do_GET  # noqa: N815 - named by http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
        """Log nothing: an address may have the token in it."""

    def _read_cookie(self) -> str:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        except CookieError:
            return ""
        return cookie.value if cookie is not None else ""

    def _answer(self, status: HTTPStatus, page: bytes | None = None, *, headers: dict[str, str] | None = None) -> None:
        body = page if page is not None else f"{status.value} {status.phrase}\n".encode()
        self.send_response(status)
        kind = "text/html" if page is not None else "text/plain"
        fields = {**_HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
        for name, value in {**fields, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
