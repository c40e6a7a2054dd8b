"""The HTTP endpoints that machines look at: `/metrics`, `/livez`, `/readyz`."""

import socket
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

from penstock.telemetry._address import AddressError, parse_address
from penstock.telemetry._health import HealthBoard
from penstock.telemetry._metrics import Metrics
from penstock.telemetry._runtime import Note, notes, user_directory

if TYPE_CHECKING:
    from penstock.telemetry._http import Server


class TelemetryServer:
    """Serves metrics and health from a thread of its own, so it answers when the loop hangs.

    Other programs of the same user find it by `running`, as long as it serves.
    `/livez` and `/readyz` answer 200, or 503 with the reasons as JSON. Starting twice and stopping
    twice are fine; a server that was stopped can be started again.
    """

    def __init__(self, metrics: Metrics, health: HealthBoard) -> None:
        self._metrics = metrics
        self._health = health
        self._server: Server | None = None
        self._thread: Thread | None = None
        self._wake: socket.socket | None = None
        self._note: Note | None = None

    @staticmethod
    def running() -> dict[str, int]:
        """The addresses on which programs of this user serve now on this machine, each with its process id."""
        return notes(user_directory())

    def start(self, address: str) -> str:
        """Listen and serve; return the address taken, with its real port.

        Raises:
            AddressError: The address is malformed, taken, or not ours.
        """
        if self._server is None:
            host, port = parse_address(address)
            http = import_module("penstock.telemetry._http")  # most runs serve nothing
            try:
                self._server = http.Server(host, port, self._metrics, self._health)
            except (OSError, UnicodeError) as error:
                raise AddressError(
                    address, getattr(error, "strerror", None) or str(error)
                ) from error
            self._wake, asleep = socket.socketpair()
            self._thread = Thread(
                target=http.serve,
                args=(self._server, asleep),
                name="penstock-telemetry",
                daemon=True,
            )
            self._thread.start()
            self._note = Note(self._server.address, user_directory())
        return self._server.address

    def stop(self) -> None:
        """Stop listening and free the port. Requests being answered are finished by their threads."""
        if self._server is None or self._thread is None or self._wake is None:
            return
        if self._note is not None:
            self._note.remove()
        self._wake.close()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = self._wake = self._note = None
