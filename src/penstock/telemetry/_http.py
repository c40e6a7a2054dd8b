"""What answers for `TelemetryServer`; loaded by the first that is started."""

import json
import selectors
import socket
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from msgspec.structs import asdict

from penstock.telemetry._exposition import exposition
from penstock.telemetry._health import HealthBoard, HealthReport
from penstock.telemetry._metrics import Metrics

_CLIENT_TIMEOUT_S = 5.0


class Server(ThreadingTCPServer):
    """One thread per request; what a client does wrong is its own affair."""

    allow_reuse_address = True
    daemon_threads = True
    timeout = 0

    def __init__(self, host: str, port: int, metrics: Metrics, health: HealthBoard) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), partial(_Handler, metrics, health))

    @property
    def address(self) -> str:
        """Where it listens, with its real port."""
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Said nowhere: clients hang up."""


def serve(server: Server, wake: socket.socket) -> None:
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
