"""A proxy that drops the answer to a request after the server has done what was asked."""

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive"})


class LossyProxy(ThreadingHTTPServer):
    """Forwards to one server. Chosen answers are lost: the connection is reset instead."""

    daemon_threads = True

    def __init__(self, endpoint: str, lost: str, *, every: int) -> None:
        """Listen on a free port of loopback.

        Args:
            endpoint: The server's URL.
            lost: Regular expression over `METHOD /path`: whose answers may be lost.
            every: Of those that succeeded, the first is lost and every so many after it.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(endpoint).netloc
        self.lost: list[str] = []
        """The requests that were done and whose answers nobody got, in order."""
        self._pattern = re.compile(lost)
        self._every = every
        self._seen = 0
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def loses(self, request: str, status: int) -> bool:
        """Whether the answer to this request, which the server has given, is lost."""
        if status >= 300 or not self._pattern.search(request):
            return False
        with self._lock:
            self._seen += 1
            lost = self._seen % self._every == 1 % self._every
            if lost:
                self.lost.append(request)
            return lost

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed breaks its connection, and that is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LossyProxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            # With the host that the client has signed, not with the server's own.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            self._answer(answer, answer.read())
        finally:
            upstream.close()

    def _answer(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        if self.server.loses(f"{self.command} {self.path}", answer.status):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in {*_HOP_BY_HOP, "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815 - the base class's names

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as above
        """Silence."""


@contextmanager
def lossy_proxy(endpoint: str, lost: str, *, every: int = 2) -> Iterator[LossyProxy]:
    """A proxy that serves while the block lasts."""
    with LossyProxy(endpoint, lost, every=every) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
