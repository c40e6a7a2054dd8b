"""The HTTP endpoints that machines look at: `/metrics`, `/livez`, `/readyz`."""

import json
import selectors
import socket
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any

from penstock.base import PenstockError
from penstock.telemetry._exposition import exposition
from penstock.telemetry._health import HealthBoard, HealthReport
from penstock.telemetry._metrics import Metrics

_CLIENT_TIMEOUT_S = 5.0


@dataclass(eq=False)
class AddressError(PenstockError):
    """The address cannot be listened on. Nothing was started; a caller stops with exit code 2."""

    exit_code = 2

    address: str
    reason: str

    def __str__(self) -> str:
        return (
            f"cannot listen on {self.address!r}: {self.reason}; "
            "give another address as host:port, with port 0 for any free one"
        )


def parse_address(address: str) -> tuple[str, int]:
    """Read `host:port`, `[::1]:port` or `:port` (all interfaces).

    Raises:
        AddressError: It is none of them.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise AddressError(address, "expected host:port with a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise AddressError(address, "an IPv6 host stands in brackets, such as [::1]:9090")
    return host, int(port)


class TelemetryServer:
    """Serves metrics and health from a thread of its own, so it answers when the loop hangs.

    `/livez` and `/readyz` answer 200, or 503 with the reasons as JSON. Starting twice and stopping
    twice are fine; a server that was stopped can be started again.
    """

    def __init__(self, metrics: Metrics, health: HealthBoard) -> None:
        self._metrics = metrics
        self._health = health
        self._server: _Server | None = None
        self._thread: Thread | None = None
        self._wake: socket.socket | None = None

    def start(self, address: str) -> str:
        """Listen and serve; return the address taken, with its real port.

        Raises:
            AddressError: The address is malformed, taken, or not ours.
        """
        if self._server is None:
            host, port = parse_address(address)
            try:
                self._server = _Server(host, port, partial(_Handler, self._metrics, self._health))
            except (OSError, UnicodeError) as error:
                raise AddressError(
                    address, getattr(error, "strerror", None) or str(error)
                ) from error
            self._wake, asleep = socket.socketpair()
            self._thread = Thread(
                target=_serve,
                args=(self._server, asleep),
                name="penstock-telemetry",
                daemon=True,
            )
            self._thread.start()
        return self._server.address

    def stop(self) -> None:
        """Stop listening and free the port. Requests being answered are finished by their threads."""
        if self._server is None or self._thread is None or self._wake is None:
            return
        self._wake.close()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = self._wake = None


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    timeout = 0

    def __init__(self, host: str, port: int, handler: Any) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), handler)

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is its own affair."""


def _serve(server: _Server, wake: socket.socket) -> None:
    """Serve until the other end of `wake` is closed; unlike `serve_forever` this polls nothing."""
    with wake, selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while not any(key.fileobj is wake for key, _ in selector.select()):
            server.handle_request()


class _Handler(BaseHTTPRequestHandler):
    timeout = _CLIENT_TIMEOUT_S
    server_version = "penstock"
    sys_version = ""

    def __init__(self, metrics: Metrics, health: HealthBoard, *arguments: Any) -> None:
        self._metrics = metrics
        self._health = health
        super().__init__(*arguments)

    def do_GET(self) -> None:
        status, content_type, body = self._answer(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as in http.server
        """Scrapes come every few seconds and are no news."""

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            body, content_type = exposition(self._metrics, self.headers.get("Accept", ""))
            return HTTPStatus.OK, content_type, body
        if path == "/livez":
            return _health_answer("live", self._health.live())
        if path == "/readyz":
            return _health_answer("ready", self._health.ready())
        return (
            HTTPStatus.NOT_FOUND,
            "text/plain; charset=utf-8",
            b"there are /metrics, /livez and /readyz\n",
        )


def _health_answer(question: str, report: HealthReport) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if report.well else HTTPStatus.SERVICE_UNAVAILABLE
    reasons = [{**asdict(reason), "seconds": round(reason.seconds, 3)} for reason in report.reasons]
    body = json.dumps({question: report.well, "reasons": reasons}).encode() + b"\n"
    return status, "application/json", body
