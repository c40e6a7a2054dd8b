"""What every store must do, run over SQLite and any other."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from penstock.testing._clock import FakeClock
from penstock.workflow import (
    Pipeline,
    RunRecord,
    command,
    decide,
    errors,
    event,
    executor,
    outstanding,
    record,
    states,
    store,
)

_LEASE = timedelta(seconds=30)
_BROKEN = errors.Failure(errors.ErrorClass.TRANSIENT, "try again")


def _ref(step: str, number: int = 1, *, item: int = record.WHOLE) -> record.AttemptRef:
    return record.AttemptRef(step, item, number)


class _Bench:
    """Runs in a store, moved by hand."""

    def __init__(self, stores: store.Stores, clock: FakeClock) -> None:
        self.stores = stores
        self.clock = clock

    async def create(self, pipeline: Pipeline, run: str, tenant: str = "t") -> None:
        initial = RunRecord.new(run, pipeline.graph)
        decision = decide(initial, event.Submitted(), self.clock.now())
        stored = store.StoredRun(tenant, initial, pipeline, {"day": 1}, f"key-{run}")
        assert await self.stores.runs.create(stored, decision)

    async def send(
        self, run: str, happened: event.Event, *, tenant: str = "t", **options: Any
    ) -> store.StoredRun:
        stored = await self.stores.runs.load(tenant, run)
        decision = decide(stored.record, happened, self.clock.now())
        await self.stores.runs.apply(stored, happened, decision, **options)
        return await self.stores.runs.load(tenant, run)

    async def started(self, pipeline: Pipeline, *runs: str) -> None:
        for run in runs:
            await self.create(pipeline, run)
            await self.send(run, event.Admitted())

    async def claim(self, worker: str = "w", limit: int = 10) -> list[store.Lease]:
        return list(await self.stores.queue.claim(worker, limit=limit, lease=_LEASE))

    async def do(self, lease: store.Lease, result: Any = None) -> None:
        for happened in (
            event.AttemptStarted(lease.attempt.ref),
            event.AttemptSucceeded(lease.attempt.ref),
        ):
            await self.send(lease.run, happened, tenant=lease.tenant, lease=lease, result=result)


def _pipeline(*steps: str, name: str = "p", **spec: Any) -> Pipeline:
    written: dict[str, Any] = {step: {"shell": {"command": "true"}} for step in steps}
    return Pipeline.build(name, steps=spec.pop("steps", written), **spec)


class StoreConformance:
    """Subclass it in a test module, and supply `open_stores`."""

    def open_stores(self, clock: FakeClock) -> AbstractAsyncContextManager[store.Stores]:
        """The same store each time within one test, empty at first, with the clock given."""
        raise NotImplementedError

    def check(self, scenario: Callable[[_Bench], Awaitable[None]]) -> None:
        """Run a scenario on the store."""

        async def main() -> None:
            clock = FakeClock()
            async with self.open_stores(clock) as stores:
                await scenario(_Bench(stores, clock))

        asyncio.run(main())

    def test_a_run_comes_back_as_it_was_kept_after_every_decision(self) -> None:
        """What is loaded equals what was decided: nothing of a state may be lost on the disk."""
        steps: dict[str, Any] = {
            "a": {"shell": {"command": "x"}, "retry": {"maximum_attempts": 2}},
            "b": {"shell": {"command": "x"}, "map": {"over": "${{ params.days }}", "parallel": 2}},
        }
        pipeline = _pipeline(steps=steps, parameters={"days": {"type": "list", "default": [1]}})

        async def scenario(bench: _Bench) -> None:
            await bench.create(pipeline, "r")
            for happened in (
                event.Admitted(),
                event.Resolved("b", items=3),
                event.AttemptStarted(_ref("a")),
                event.AttemptFailed(_ref("a"), _BROKEN),
                event.AttemptStarted(_ref("b", item=0)),
                event.AttemptBeat(_ref("b", item=0)),
                event.CancelRequested("enough"),
            ):
                before = await bench.stores.runs.load("t", "r")
                wanted = decide(before.record, happened, bench.clock.now()).state
                after = await bench.send("r", happened)
                assert after.record == wanted
                assert (after.params, after.run_key) == ({"day": 1}, "key-r")
                assert after.pipeline.digest == pipeline.digest

        self.check(scenario)

    def test_a_run_is_created_once(self) -> None:
        """The second request of one key is answered False, and changes nothing."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a"), "r")
            initial = RunRecord.new("r", _pipeline("a").graph)
            again = store.StoredRun("t", initial, _pipeline("a"), {}, "k")
            decision = decide(initial, event.Submitted(), bench.clock.now())

            assert not await bench.stores.runs.create(again, decision)
            assert (await bench.stores.runs.load("t", "r")).record.state == "RUNNING"

        self.check(scenario)

    def test_what_a_run_waits_for_is_in_the_store(self) -> None:
        """After a crash the rows alone say what is to be done: nothing is asked in memory only."""

        async def scenario(bench: _Bench) -> None:
            steps: dict[str, Any] = {
                "a": {"shell": {"command": "x"}},
                "b": {"shell": {"command": "x"}, "when": "${{ params.on }}"},
            }
            on = {"on": {"type": "boolean", "default": True}}
            pipeline = _pipeline(steps=steps, parameters=on)
            await bench.create(pipeline, "r")
            assert await bench.stores.queue.admissible(limit=9) == [("t", "r")]

            state = (await bench.send("r", event.Admitted())).record

            claimed = [lease.attempt for lease in await bench.claim()]
            asked = await bench.stores.queue.unresolved(older_than=timedelta(0), limit=9)
            questions = [command.ResolveStep(step) for _, _, step in asked]
            assert {*claimed, *questions} == set(outstanding(state))
            assert await bench.stores.queue.admissible(limit=9) == []
            await bench.send("r", event.Resolved("b"))
            late = await bench.stores.queue.unresolved(older_than=timedelta(0), limit=9)
            assert late == []

        self.check(scenario)

    def test_who_was_slower_changes_nothing(self) -> None:
        """Two processes decide on the same state: one is kept, the other is told to load again."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a", "b"), "r")
            stale = await bench.stores.runs.load("t", "r")
            await bench.send("r", event.AttemptStarted(_ref("a")))
            before = await bench.stores.outbox.read(after=0, limit=99)

            late = event.AttemptStarted(_ref("b"))
            decision = decide(stale.record, late, bench.clock.now())
            await _refused(bench.stores.runs.apply(stale, late, decision))

            assert await bench.stores.outbox.read(after=0, limit=99) == before
            kept = (await bench.stores.runs.load("t", "r")).record
            assert kept.steps["b"].state is states.StepState.READY

        self.check(scenario)

    def test_an_attempt_is_claimed_by_one_worker(self) -> None:
        """However many ask at the same moment."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a", "b", "c"), "r", "s")

            found = await asyncio.gather(*(bench.claim(f"w{n}", 2) for n in range(6)))

            names = [(lease.run, lease.attempt.ref) for leases in found for lease in leases]
            assert len(names) == len(set(names)) == 6

        self.check(scenario)

    def test_no_more_attempts_of_a_run_are_leased_than_it_allows(self) -> None:
        """Counted from leases, so that a slot cannot leak: it is free once the attempt is over."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a", "b", "c", concurrency={"steps": 2}), "r")

            first = await bench.claim()
            assert (len(first), await bench.claim()) == (2, [])
            await bench.do(first[0])
            assert len(await bench.claim()) == 1

        self.check(scenario)

    def test_no_more_runs_are_started_than_their_pipeline_allows(self) -> None:
        """Counted from open runs in the admitting transaction, whoever asks."""

        async def scenario(bench: _Bench) -> None:
            pipeline = _pipeline("a", concurrency={"runs": 1})
            for run in ("r", "s"):
                await bench.create(pipeline, run)
            await bench.create(_pipeline("a", name="other"), "x")
            assert await bench.stores.queue.admissible(limit=9) == [("t", "r"), ("t", "x")]
            await bench.send("r", event.Admitted())

            await _refused(bench.send("s", event.Admitted()))

            assert await bench.stores.queue.admissible(limit=9) == [("t", "x")]
            (lease,) = await bench.claim()
            await bench.do(lease)
            assert await bench.stores.queue.admissible(limit=9) == [("t", "s"), ("t", "x")]

        self.check(scenario)

    def test_a_lease_that_was_lost_changes_nothing(self) -> None:
        """The fence: a worker that was thought dead wakes up, and its report is refused."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a"), "r")
            (lease,) = await bench.claim()
            await bench.clock.advance(31)
            (found,) = await bench.stores.queue.expired(limit=9)
            taken = await bench.stores.queue.take_over(found, "other", until=_LEASE)
            await _refused(bench.stores.queue.take_over(found, "third", until=_LEASE))

            await _refused(bench.do(lease))

            assert await bench.stores.queue.renew([lease], lease=_LEASE) == []
            await bench.do(taken)
            assert (await bench.stores.runs.load("t", "r")).record.state == "SUCCEEDED"

        self.check(scenario)

    def test_a_lease_that_is_renewed_does_not_run_out(self) -> None:
        """And its handle is kept, for whoever comes after."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a"), "r")
            (lease,) = await bench.claim()
            await bench.clock.advance(20)
            named = replace(lease, handle=executor.JobHandle("shell", "job", {"at": "here"}))
            assert len(await bench.stores.queue.renew([named], lease=_LEASE)) == 1
            await bench.clock.advance(20)
            assert await bench.stores.queue.expired(limit=9) == []
            await bench.clock.advance(20)

            (found,) = await bench.stores.queue.expired(limit=9)

            assert found.handle == named.handle
            await bench.send("r", event.AttemptLost(_ref("a")), lease=found)
            (again,) = await bench.claim()
            assert (again.attempt.ref.number, again.attempt.key) == (2, lease.attempt.key)

        self.check(scenario)

    def test_a_stop_reaches_the_worker_and_withdraws_what_nobody_took(self) -> None:
        """Both are answered: by who runs it, or by whoever looks first."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a", "b"), "r")
            (taken,) = await bench.claim(limit=1)
            await bench.send("r", event.CancelRequested("enough"))

            assert await bench.claim() == []
            stops = await bench.stores.queue.stops("w", limit=9)
            assert {(lease.attempt.ref.step, lease.worker) for lease in stops} == {
                ("a", "w"),
                ("b", ""),
            }
            assert [
                lease.attempt.ref.step for lease in await bench.stores.queue.stops("v", limit=9)
            ] == ["b"]
            (held,) = await bench.stores.queue.renew([taken], lease=_LEASE)
            assert held.stopping

        self.check(scenario)

    def test_a_timer_is_given_until_it_was_handled(self) -> None:
        """A crash between looking and deciding loses none."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a", timeout="10s"), "r")
            assert await bench.stores.queue.due(limit=9) == []
            await bench.clock.advance(11)

            (due,) = await bench.stores.queue.due(limit=9)
            assert await bench.stores.queue.due(limit=9) == [due]

            state = (await bench.send("r", event.TimerFired(due[2]))).record
            assert state.ending is record.Ending.TIMEOUT
            assert due not in await bench.stores.queue.due(limit=9)

        self.check(scenario)

    def test_events_are_kept_with_their_change_and_read_in_order(self) -> None:
        """Dense within a run; a consumer's place is kept, and never goes back."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a"), "r", "s")
            for lease in await bench.claim():
                await bench.do(lease)
            found = await bench.stores.outbox.read(after=0, limit=99)

            for run in ("r", "s"):
                own = [told.event.seq for told in found if told.run == run]
                kept = await bench.stores.runs.load("t", run)
                assert own == list(range(1, kept.record.seq + 1))
                listed = await bench.stores.archive.events("t", run)
                assert [told.event for told in listed] == [
                    told.event for told in found if told.run == run
                ]
            assert [told.position for told in found] == sorted(told.position for told in found)
            assert await bench.stores.outbox.cursor("audit") == 0
            await bench.stores.outbox.advance("audit", 5)
            await bench.stores.outbox.advance("audit", 3)
            assert await bench.stores.outbox.cursor("audit") == 5

        self.check(scenario)

    def test_results_are_read_by_step_and_by_item(self) -> None:
        """Of a map: a list by item, with None where an item failed."""
        steps: dict[str, Any] = {
            "a": {"shell": {"command": "x"}},
            "m": {
                "shell": {"command": "x"},
                "map": {"over": "${{ params.days }}", "allow_failed": 1},
            },
        }
        pipeline = _pipeline(steps=steps, parameters={"days": {"type": "list", "default": [1]}})

        async def scenario(bench: _Bench) -> None:
            await bench.started(pipeline, "r")
            await bench.send("r", event.Resolved("m", items=3))
            for lease in await bench.claim():
                if lease.attempt.ref.item == 1:
                    failed = errors.Failure(errors.ErrorClass.DATA, "no")
                    await bench.send(
                        "r", event.AttemptFailed(lease.attempt.ref, failed), lease=lease
                    )
                else:
                    await bench.do(lease, {"item": lease.attempt.ref.item})

            found = await bench.stores.runs.results("t", "r", ["a", "m"])

            assert found == {"a": {"item": -1}, "m": [{"item": 0}, None, {"item": 2}]}

        self.check(scenario)

    def test_one_tenant_does_not_see_the_other(self) -> None:
        """Equal ids of two tenants are two runs."""

        async def scenario(bench: _Bench) -> None:
            await bench.create(_pipeline("a"), "r", "one")
            await bench.create(_pipeline("a"), "r", "two")
            await bench.send("r", event.Admitted(), tenant="one")

            assert (await bench.stores.runs.load("two", "r")).record.state == "QUEUED"
            assert len(await bench.stores.archive.events("two", "r")) == 1
            assert [run.state for run in await bench.stores.archive.runs("one")] == ["RUNNING"]
            for missing in (
                bench.stores.runs.load("three", "r"),
                bench.stores.archive.version("three", _pipeline("a").digest),
            ):
                await _absent(missing)

        self.check(scenario)

    def test_runs_are_listed_newest_first_page_by_page(self) -> None:
        """With the history of each, which is all that it was decided on."""

        async def scenario(bench: _Bench) -> None:
            await bench.started(_pipeline("a"), "r1", "r2", "r3")
            archive = bench.stores.archive

            first = await archive.runs("t", pipeline="p", limit=2)
            second = await archive.runs("t", pipeline="p", limit=2, after=first[-1].run)

            assert [run.run for run in (*first, *second)] == ["r3", "r2", "r1"]
            told = [happened for _, happened in await archive.history("t", "r1")]
            assert told == [event.Submitted(), event.Admitted()]
            (version,) = await archive.versions("t", "p")
            assert (await archive.version("t", version.digest)).name == "p"
            opened = await bench.stores.runs.open_runs(after="r1", limit=1)
            assert [run.record.run for run in opened] == ["r2"]

        self.check(scenario)


async def _refused(doing: Awaitable[Any]) -> None:
    try:
        await doing
    except store.ConflictError:
        return
    raise AssertionError("expected a ConflictError")


async def _absent(doing: Awaitable[Any]) -> None:
    try:
        await doing
    except LookupError:
        return
    raise AssertionError("expected a LookupError")
