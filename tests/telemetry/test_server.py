"""The endpoints answer over a real socket."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from penstock.telemetry import AddressError, HealthBoard, Metrics, TelemetryServer
from penstock.testing import FakeClock


@pytest.fixture
def health() -> HealthBoard:
    return HealthBoard(FakeClock())


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def server(metrics: Metrics, health: HealthBoard) -> Iterator[TelemetryServer]:
    server = TelemetryServer(metrics, health)
    yield server
    server.stop()


def _ask(address: str, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = HTTPConnection(address, timeout=60)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def test_port_0_takes_a_free_port_and_says_which(server: TelemetryServer) -> None:
    """Tests and notebooks need a port that nobody else has."""
    address = server.start("127.0.0.1:0")

    assert not address.endswith(":0")
    assert _ask(address, "/livez")[0] == 200


def test_metrics_are_served_as_text(server: TelemetryServer, metrics: Metrics) -> None:
    """The one thing a scraper needs."""
    metrics.counter("penstock_x_total", "X.").labels().add(5)

    status, content_type, body = _ask(server.start("127.0.0.1:0"), "/metrics")

    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert b"\npenstock_x_total 5.0\n" in body


def test_not_ready_is_503_with_the_reasons_while_live_stays_200(
    server: TelemetryServer, health: HealthBoard
) -> None:
    """A balancer reads the status, a person the body."""
    address = server.start("127.0.0.1:0")
    health.component("flights").backing_off("403 from s3://lake")

    status, content_type, body = _ask(address, "/readyz")

    assert (status, content_type) == (503, "application/json")
    assert json.loads(body) == {
        "ready": False,
        "reasons": [
            {
                "component": "flights",
                "state": "backing off",
                "detail": "403 from s3://lake",
                "seconds": 0.0,
            }
        ],
    }
    assert _ask(address, "/livez")[0] == 200
    health.component("flights").idle()
    assert _ask(address, "/readyz")[0] == 200


def test_an_unknown_path_is_404_and_names_the_known_ones(server: TelemetryServer) -> None:
    """People guess `/health` first."""
    status, _, body = _ask(server.start("127.0.0.1:0"), "/health?verbose")

    assert status == 404
    assert b"/readyz" in body


def test_a_head_request_has_no_body(server: TelemetryServer) -> None:
    """Probes use it."""
    assert _ask(server.start("127.0.0.1:0"), "/livez", "HEAD")[::2] == (200, b"")


def test_a_taken_port_is_an_error_that_names_it_and_the_way_out(server: TelemetryServer) -> None:
    """Going on without metrics would be found out on the worst day."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(AddressError, match=rf"{address}.*in use.*port 0"):
            server.start(address)


@pytest.mark.parametrize(
    "address", ["9090", "localhost", "localhost:http", "::1:90", "h:65536", ""]
)
def test_a_malformed_address_is_refused(server: TelemetryServer, address: str) -> None:
    """It stands in a configuration file: the message must show it."""
    with pytest.raises(AddressError, match="cannot listen on"):
        server.start(address)


def test_an_ipv6_address_stands_in_brackets(server: TelemetryServer) -> None:
    """`::1:9090` could be read in two ways."""
    try:
        address = server.start("[::1]:0")
    except AddressError:
        pytest.skip("this machine has no IPv6 loopback")

    assert address.startswith("[::1]:")


def test_stopping_frees_the_port_and_may_be_repeated(server: TelemetryServer) -> None:
    """Stop before start, stop twice, start again: all are fine."""
    server.stop()
    address = server.start("127.0.0.1:0")
    again = server.start("127.0.0.1:0")
    server.stop()
    server.stop()

    assert again == address
    assert server.start(address) == address


def test_a_client_that_hangs_up_or_says_nothing_disturbs_nobody(server: TelemetryServer) -> None:
    """Port scanners do this all day."""
    address = server.start("127.0.0.1:0")
    host, port = address.split(":")

    socket.create_connection((host, int(port))).close()
    with socket.create_connection((host, int(port))):
        assert _ask(address, "/livez")[0] == 200
