"""A running flow as metrics, for scrapers and for `penstock top`."""

import asyncio
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from penstock import Flow, stage
from penstock.flow import RateLimit
from penstock.telemetry import AddressError, Metrics, exposition


def text(metrics: Metrics) -> str:
    return exposition(metrics)[0].decode()


def test_figures_are_taken_when_somebody_asks_and_the_last_ones_stay() -> None:
    """Nothing is copied while messages flow."""
    metrics = Metrics()
    halfway = ""

    async def sink(number: int) -> None:
        nonlocal halfway
        if number == 5:
            halfway = text(metrics)

    async def odd(number: int) -> int | None:
        return number if number % 2 else None

    (Flow("numbers", capacity=4) | range(10) | odd | stage(name="store")(sink)).run(metrics=metrics)

    line = 'penstock_flow_stage_items_total{flow="numbers",outcome="emitted",stage="store"}'
    assert f"{line} 2.0" in halfway
    assert f"{line} 5.0" in text(metrics)
    assert 'penstock_flow_messages{flow="numbers",state="filtered"} 5.0' in text(metrics)
    assert 'penstock_flow_channel_capacity_items{flow="numbers",stage="store"} 4.0' in text(metrics)


def test_an_address_is_served_while_the_flow_runs() -> None:
    """And free again after it."""
    served: list[str] = []

    def sink(number: int) -> None:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
            served.append(answer.read().decode())

    with reserved_address() as address:
        (Flow("served") | [1] | stage(pool="thread")(sink)).run(metrics=address)

        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://{address}/metrics", timeout=60)

    assert 'penstock_flow_stage_workers{flow="served",pool="thread",stage="sink"} 1.0' in served[0]


@contextmanager
def reserved_address() -> Iterator[str]:
    """An address that whoever asks for it by name may listen on, and that nobody is given meanwhile."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_an_address_that_is_none_starts_nothing() -> None:
    """The error says what an address is."""
    rows: list[int] = []

    with pytest.raises(AddressError, match="host:port"):
        (Flow("wrong") | [1] | rows.append).run(metrics="nowhere")
    assert rows == []


def test_what_holds_a_stage_up_is_exported() -> None:
    """A rate limit by its share of the time, a call that never returned by its thread."""
    metrics = Metrics()
    release = threading.Event()

    def hang(number: int) -> None:
        release.wait(60)

    slow = stage(name="slow", rate=RateLimit("20/s", burst=1))(lambda number: number)
    stuck = stage(name="stuck", pool="thread", timeout="50ms")(hang)
    (Flow("held") | range(3) | slow | stuck).run(metrics=metrics)
    said = text(metrics)
    release.set()

    share = re.search(r'stage_limited_ratio{flow="held",stage="slow"} (\S+)', said)
    assert share is not None
    assert float(share[1]) > 0
    assert re.search(r'stage_hung_threads{flow="held",stage="stuck"} [123]\.0', said)


def test_the_graph_of_a_running_flow_has_its_figures() -> None:
    """Mermaid draws it: rate and share of time in the nodes, what waits on the edges."""

    async def scenario() -> str:
        graphs: list[str] = []

        async def sink(number: int) -> None:
            graphs.append(running.explain())

        async with (
            Flow("live", capacity=8) | range(3) | stage(name="store")(sink)
        ).start() as running:
            await running.wait()
        return graphs[0]

    graph = asyncio.run(scenario())

    assert '-->|"2 of 8 waiting"| stage0' in graph
    assert "% busy" in graph
