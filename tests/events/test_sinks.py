"""Sinks and the relay: what is sent again is kept once, in order, and a change of the audit shows."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from penstock.base import FailpointError, Failpoints
from penstock.events import (
    AuditSink,
    CloudEvent,
    DamagedAuditError,
    EventSink,
    JsonLinesSink,
    Relay,
    WebhookSink,
    signature,
)
from penstock.store import open_sqlite
from penstock.testing import EventSinkConformance, FakeClock
from penstock.workflow import Pipeline, RunRecord, decide, event, store

PIPELINE = Pipeline.build("p", steps={"a": {"shell": {"command": "true"}}})


def told(position: int) -> CloudEvent:
    return CloudEvent(position, {"id": f"r:{position}"}, {"n": position})


class TestJsonLines(EventSinkConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "events"

    def make_sink(self) -> EventSink:
        return JsonLinesSink(self.path)

    def kept(self) -> Sequence[str]:
        return ids(self.path)


class TestAudit(EventSinkConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "audit"

    def make_sink(self) -> EventSink:
        return AuditSink(self.path)

    def kept(self) -> Sequence[str]:
        return [row.id for row in AuditSink(self.path).rows()]


def with_outbox(path: Path, runs: int, use: Callable[[store.Outbox], Awaitable[None]]) -> None:
    """Three events for each run: accepted, its step cancelled, itself cancelled."""

    async def main() -> None:
        async with open_sqlite(path / "store", clock=FakeClock()) as stores:
            for number in range(runs):
                initial = RunRecord.new(f"r{number}", PIPELINE.graph)
                decision = decide(initial, event.Submitted(), FakeClock().now())
                run = store.StoredRun("t", initial, PIPELINE, {}, "k")
                await stores.runs.create(run, decision)
                run = await stores.runs.load("t", f"r{number}")
                cancel = event.CancelRequested("enough")
                await stores.runs.apply(run, cancel, decide(run.record, cancel, FakeClock().now()))
            await use(stores.outbox)

    asyncio.run(main())


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_a_crash_between_sink_and_cursor_doubles_nothing_in_a_file(tmp_path: Path) -> None:
    """The page is sent again, and the file knows it."""
    path = tmp_path / "events.jsonl"

    async def use(outbox: store.Outbox) -> None:
        points = Failpoints.parse("events.sent@1=error")
        relay = Relay(outbox, "file", JsonLinesSink(path), clock=FakeClock(), failpoints=points)
        with pytest.raises(FailpointError):
            await relay.drain()
        assert await outbox.cursor("file") == 0
        await relay.drain()
        assert await outbox.cursor("file") == 9

    with_outbox(tmp_path, 3, use)

    assert ids(path) == [f"r{run}:{seq}" for run in range(3) for seq in (1, 2, 3)]


def test_what_a_crash_left_of_a_line_is_written_anew(tmp_path: Path) -> None:
    """A line without an end is none."""
    path = tmp_path / "events.jsonl"
    asyncio.run(JsonLinesSink(path).send([told(1), told(2)]))
    path.write_bytes(path.read_bytes()[:-5])

    asyncio.run(JsonLinesSink(path).send([told(2), told(3)]))

    assert ids(path) == ["r:1", "r:2", "r:3"]


def test_each_consumer_has_its_own_place(tmp_path: Path) -> None:
    """One that is added later begins at the beginning."""

    async def use(outbox: store.Outbox) -> None:
        for name in ("one", "two"):
            sink = JsonLinesSink(tmp_path / name)
            await Relay(outbox, name, sink, clock=FakeClock()).drain()

    with_outbox(tmp_path, 2, use)

    wanted = [f"r{run}:{seq}" for run in range(2) for seq in (1, 2, 3)]
    assert ids(tmp_path / "one") == ids(tmp_path / "two") == wanted


def test_events_have_the_form_of_cloud_events(tmp_path: Path) -> None:
    """With an id that is the same whoever sends it, and the names of the first design beside."""
    path = tmp_path / "events"

    async def use(outbox: store.Outbox) -> None:
        await Relay(outbox, "file", JsonLinesSink(path), clock=FakeClock()).drain()

    with_outbox(tmp_path, 1, use)

    first, _, last = map(json.loads, path.read_text().splitlines())
    assert first["specversion"] == "1.0"
    assert (first["id"], first["type"]) == ("r0:1", "pipeline.run.queued.v1")
    assert (last["pipelineevent"], last["subject"]) == ("PIPELINE_CANCELLED", "r0")
    assert last["data"]["version"] == PIPELINE.digest


class Failing(EventSink):
    """Fails twice, then takes everything."""

    def __init__(self) -> None:
        self.calls = 0
        self.taken: list[str] = []

    async def send(self, events) -> None:  # type: ignore[no-untyped-def]
        self.calls += 1
        if self.calls < 3:
            raise ConnectionError("not now")
        self.taken += [each.id for each in events]


def test_a_sink_that_fails_is_tried_again_until_it_takes_the_events(tmp_path: Path) -> None:
    """In the same order; nothing is left out."""
    sink = Failing()

    async def use(outbox: store.Outbox) -> None:
        relay = asyncio.create_task(Relay(outbox, "c", sink, clock=FakeClock(autojump=True)).run())
        while not sink.taken:
            await asyncio.sleep(0)
        relay.cancel()

    with_outbox(tmp_path, 1, use)

    assert sink.taken == ["r0:1", "r0:2", "r0:3"]


def test_the_audit_keeps_each_event_once_and_in_order(tmp_path: Path) -> None:
    sink = AuditSink(tmp_path / "audit")
    asyncio.run(sink.send([told(1), told(2)]))
    asyncio.run(sink.send([told(2), told(3)]))

    assert [(row.number, row.id) for row in sink.rows()] == [(1, "r:1"), (2, "r:2"), (3, "r:3")]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET event = replace(event, '2', '9') WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "UPDATE audit SET number = 9 WHERE number = 2",
    ],
)
def test_a_change_of_the_audit_shows(tmp_path: Path, change: str) -> None:
    """Whoever rewrites the past must rewrite all that came after."""
    sink = AuditSink(tmp_path / "audit")
    asyncio.run(sink.send([told(1), told(2), told(3)]))
    with closing(sqlite3.connect(tmp_path / "audit")) as db, db:
        db.execute(change)

    with pytest.raises(DamagedAuditError, match="row 2"):
        list(sink.rows())


@contextmanager
def receiver(
    status: int | Iterator[int],
    got: list[tuple[dict[str, str], bytes]],
    *,
    answers: threading.Event | None = None,
) -> Iterator[str]:
    """Serves a webhook while the block lasts; answers once `answers` is set, where there is one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            if answers is not None:
                answers.wait(60)
            self.send_response(status if isinstance(status, int) else next(status))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?a=1"
        finally:
            server.shutdown()
            thread.join()


def test_a_webhook_is_signed_and_named_by_the_events_id() -> None:
    """The receiver can tell who sent it, and whether it has seen it."""
    got: list[tuple[dict[str, str], bytes]] = []
    with receiver(204, got) as url:
        asyncio.run(WebhookSink(url, "secret", clock=FakeClock()).send([told(1), told(2)]))

    for number, (headers, body) in enumerate(got, 1):
        at = int(headers["webhook-timestamp"])
        assert headers["webhook-id"] == f"r:{number}"
        assert headers["webhook-signature"] == signature("secret", f"r:{number}", at, body)
        assert headers["webhook-signature"] != signature("other", f"r:{number}", at, body)


def test_a_secret_of_the_specifications_form_is_decoded() -> None:
    """So that receivers can check with what they have. Source: the specification's test vector."""
    body = b'{"test": 2432232314}'
    made = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_a_webhook_has_answered_is_not_sent_again_when_the_next_fails(tmp_path: Path) -> None:
    """The page is tried again, and begins where it failed."""
    got: list[tuple[dict[str, str], bytes]] = []
    statuses = iter([204, 503, 500, 204, 204])

    async def use(outbox: store.Outbox) -> None:
        clock = FakeClock(autojump=True)
        sink = WebhookSink(url, "secret", clock=clock)
        await Relay(outbox, "hook", sink, clock=clock).drain(attempts=3)
        assert await outbox.cursor("hook") == await outbox.end() == 3

    with receiver(statuses, got) as url:
        with_outbox(tmp_path, 1, use)

    assert [headers["webhook-id"] for headers, _ in got] == ["r0:1", *["r0:2"] * 3, "r0:3"]


def test_a_webhook_that_is_cancelled_while_it_posts_knows_the_answer() -> None:
    """At the end of a command, say; what is drained then begins behind it."""
    got: list[tuple[dict[str, str], bytes]] = []
    answers = threading.Event()

    async def main(url: str) -> None:
        sink = WebhookSink(url, "secret", clock=FakeClock())
        sending = asyncio.create_task(sink.send([told(1), told(2)]))
        while not got:
            await asyncio.sleep(0.001)
        sending.cancel()
        answers.set()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await sink.send([told(1), told(2)])

    with receiver(204, got, answers=answers) as url:
        asyncio.run(main(url))

    assert [headers["webhook-id"] for headers, _ in got] == ["r:1", "r:2"]


def test_a_consumer_may_begin_with_what_comes(tmp_path: Path) -> None:
    """Once: what came since then is not left out when it begins again."""

    async def use(outbox: store.Outbox) -> None:
        relay = Relay(outbox, "hook", JsonLinesSink(tmp_path / "events"), clock=FakeClock())
        await outbox.advance("other", 1)
        await relay.begin_now()
        await Relay(
            outbox, "other", JsonLinesSink(tmp_path / "other"), clock=FakeClock()
        ).begin_now()
        assert (await outbox.cursor("hook"), await outbox.cursor("other")) == (3, 1)

    with_outbox(tmp_path, 1, use)


def test_a_webhook_that_is_refused_is_a_failure() -> None:
    """Nothing behind it is sent, so that the order holds when it is sent again."""
    got: list[tuple[dict[str, str], bytes]] = []
    with receiver(503, got) as url, pytest.raises(ConnectionError, match="503"):
        asyncio.run(WebhookSink(url, "secret", clock=FakeClock()).send([told(1), told(2)]))

    assert len(got) == 1
