"""The step type `http`: one request, not to where it should not go."""

import asyncio
import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from penstock.base import Value
from penstock.steps._local import LocalExecutor, LocalPlace, StepFailedError
from penstock.workflow import errors, executor

_TIMEOUT_S: Final = 60.0
_BODY_BYTES: Final = 16 * 1024 * 1024
_PORTS: Final = {"http": 80, "https": 443}


class _Target(Value):
    """Where a request goes: the address was looked up once, checked, and is the one that is used."""

    scheme: str
    host: str
    port: int
    address: str
    path: str


class HttpExecutor(LocalExecutor):
    """Sends a request with the work's key as `Idempotency-Key`.

    Hosts whose address is private, local or reserved are refused unless they are allowed by name.
    Redirects are not followed: they could lead there. A status that is not expected is a failure: 429 as
    throttled, 408 and 5xx as transient, others as the user's.
    """

    kind = "http"

    def __init__(self, place: LocalPlace, *, allowed_hosts: Collection[str] = ()) -> None:
        """Prepare it.

        Args:
            place: For logs.
            allowed_hosts: Names of private hosts that may be asked nevertheless.
        """
        super().__init__(place)
        self._allowed = frozenset(allowed_hosts)

    async def perform(self, work: executor.Work) -> Any:
        target = await asyncio.to_thread(self._target, work.action["url"])
        timeout = work.action["timeout"] or _TIMEOUT_S
        connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
        try:
            status, headers, body = await asyncio.to_thread(_ask, connection, target, work)
        finally:
            _hang_up(connection)
        line = f"{work.action['method']} {work.action['url']} {status}\n".encode()
        self._place.logs.path(work.run, work.ref).write_bytes(line + body[:65_536])
        if status not in work.action["expect"]:
            raise StepFailedError(_class_of(status), f"expected {_expected(work)}, got {status}")
        return {"status": status, "body": _decoded(headers, body)}

    def _target(self, url: str) -> _Target:
        """Look the host up and check where it leads.

        Raises:
            StepFailedError: The URL cannot be used, or leads where it should not.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not host or parts.username:
            message = f"expected http://host/... or https://host/... without a user, got {url!r}"
            raise StepFailedError(errors.ErrorClass.CONFIG, message)
        port = parts.port or _PORTS[parts.scheme]
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"the host {host!r} is not known: {error}"
            raise StepFailedError(errors.ErrorClass.TRANSIENT, message) from error
        addresses = [str(entry[4][0]) for entry in found]
        refused = [each for each in addresses if not _is_public(each)]
        if refused and host not in self._allowed:
            message = (
                f"the host {host!r} leads to {refused[0]}, which is not public; allow it by name"
            )
            raise StepFailedError(errors.ErrorClass.CONFIG, message)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Target(parts.scheme, host, port, addresses[0], path)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_global) and not (mapped or found).is_multicast


def _ask(
    connection: http.client.HTTPConnection, target: _Target, work: executor.Work
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request over one connection, to the address that was checked."""
    body = work.action["body"]
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    headers = {"idempotency-key": work.key, **work.action["headers"]}
    if text is not None and not isinstance(body, str):
        headers.setdefault("content-type", "application/json")
    try:
        plain = socket.create_connection((target.address, target.port), connection.timeout)
        connection.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
            if target.scheme == "https"
            else plain
        )
        connection.request(work.action["method"], target.path, text, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(_BODY_BYTES)
    except TimeoutError as error:
        raise StepFailedError(errors.ErrorClass.TIMEOUT, "no answer in time") from error
    except (OSError, http.client.HTTPException) as error:
        message = f"no answer from {target.host}: {error!r}"
        raise StepFailedError(errors.ErrorClass.TRANSIENT, message) from error


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """Wake a thread that still reads, then close."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def _class_of(status: int) -> errors.ErrorClass:
    if status == http.client.TOO_MANY_REQUESTS:
        return errors.ErrorClass.THROTTLED
    again = status >= http.client.INTERNAL_SERVER_ERROR or status == http.client.REQUEST_TIMEOUT
    return errors.ErrorClass.TRANSIENT if again else errors.ErrorClass.USER


def _expected(work: executor.Work) -> str:
    return " or ".join(map(str, work.action["expect"]))


def _decoded(headers: http.client.HTTPMessage, body: bytes) -> Any:
    text = body.decode(headers.get_content_charset() or "utf-8", errors="replace")
    if headers.get_content_type() != "application/json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
