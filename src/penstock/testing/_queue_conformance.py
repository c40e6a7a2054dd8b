"""What every store must do with work that waits: leases, limits, stops, timers."""

import asyncio
from typing import Any

from penstock.testing._store_bench import (
    LEASE,
    Bench,
    StoreSuite,
    make_pipeline,
    ref,
    refused,
)
from penstock.workflow import (
    event,
    executor,
    record,
)


class QueueConformance(StoreSuite):
    """Attempts belong to one worker at a time, and to nobody for ever."""

    def test_an_attempt_is_claimed_by_one_worker(self) -> None:
        """However many ask at the same moment."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", "b", "c"), "r", "s")

            found = await asyncio.gather(*(bench.claim(f"w{n}", 2) for n in range(6)))

            names = [(lease.run, lease.attempt.ref) for leases in found for lease in leases]
            assert len(names) == len(set(names)) == 6

        self.check(scenario)

    def test_attempts_are_claimed_in_the_order_in_which_they_were_asked_for(self) -> None:
        """Whatever their names, and though some were claimed in between: nobody waits for ever."""

        async def scenario(bench: Bench) -> None:
            for run in ("s", "r", "t"):
                await bench.started(make_pipeline("a"), run)
            (first,) = await bench.claim("w", 1)
            await bench.started(make_pipeline("a"), "q")
            await bench.do(first)

            later = [(await bench.claim("w", 1))[0].run for _ in range(3)]

            assert [first.run, *later] == ["s", "r", "t", "q"]

        self.check(scenario)

    def test_no_more_attempts_of_a_run_are_leased_than_it_allows(self) -> None:
        """Counted from leases, so that a slot cannot leak: it is free once the attempt is over."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", "b", "c", concurrency={"steps": 2}), "r")

            first = await bench.claim()
            assert (len(first), await bench.claim()) == (2, [])
            await bench.do(first[0])
            assert len(await bench.claim()) == 1

        self.check(scenario)

    def test_no_more_runs_are_started_than_their_pipeline_allows(self) -> None:
        """Counted from open runs in the admitting transaction, whoever asks."""

        async def scenario(bench: Bench) -> None:
            pipeline = make_pipeline("a", concurrency={"runs": 1})
            for run in ("r", "s"):
                await bench.create(pipeline, run)
            await bench.create(make_pipeline("a", name="other"), "x")
            assert await bench.stores.queue.admissible(limit=9) == [("t", "r"), ("t", "x")]
            await bench.send("r", event.Admitted())

            await refused(bench.send("s", event.Admitted()))

            assert await bench.stores.queue.admissible(limit=9) == [("t", "x")]
            (lease,) = await bench.claim()
            await bench.do(lease)
            assert await bench.stores.queue.admissible(limit=9) == [("t", "s"), ("t", "x")]

        self.check(scenario)

    def test_a_lease_that_was_lost_changes_nothing(self) -> None:
        """The fence: a worker that was thought dead wakes up, and its report is refused."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a"), "r")
            (lease,) = await bench.claim()
            await bench.clock.advance(31)
            (found,) = await bench.stores.queue.expired(limit=9)
            taken = await bench.stores.queue.take_over(found, "other", until=LEASE)
            await refused(bench.stores.queue.take_over(found, "third", until=LEASE))

            await refused(bench.do(lease))

            assert await bench.stores.queue.renew([lease], lease=LEASE) == []
            await bench.do(taken)
            assert (await bench.stores.runs.load("t", "r")).record.state == "SUCCEEDED"

        self.check(scenario)

    def test_a_lease_that_is_renewed_does_not_run_out(self) -> None:
        """And its handle is kept, for whoever comes after."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a"), "r")
            (lease,) = await bench.claim()
            await bench.clock.advance(20)
            named = lease._replace(handle=executor.JobHandle("shell", "job", {"at": "here"}))
            assert len(await bench.stores.queue.renew([named], lease=LEASE)) == 1
            await bench.clock.advance(20)
            assert await bench.stores.queue.expired(limit=9) == []
            await bench.clock.advance(20)

            (found,) = await bench.stores.queue.expired(limit=9)

            assert found.handle == named.handle
            await bench.send("r", event.AttemptLost(ref("a")), lease=found)
            (again,) = await bench.claim()
            assert (again.attempt.ref.number, again.attempt.key) == (2, lease.attempt.key)

        self.check(scenario)

    def test_a_stop_reaches_the_worker_and_withdraws_what_nobody_took(self) -> None:
        """Both are answered: by who runs it, or by whoever looks first."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", "b"), "r")
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
            (held,) = await bench.stores.queue.renew([taken], lease=LEASE)
            assert held.stopping

        self.check(scenario)

    def test_an_attempt_that_is_to_stop_is_not_begun_any_more(self) -> None:
        """Its run goes on with its other steps."""
        steps: dict[str, Any] = {
            "a": {"shell": {"command": "x"}, "timeout": {"queue": "10s"}},
            "b": {"shell": {"command": "x"}},
        }

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline(steps=steps), "r")
            await bench.clock.advance(11)
            (due,) = await bench.stores.queue.due(limit=9)
            await bench.send("r", event.TimerFired(due[2]))

            assert [lease.attempt.ref.step for lease in await bench.claim()] == ["b"]

        self.check(scenario)

    def test_a_timer_is_given_until_it_was_handled(self) -> None:
        """A crash between looking and deciding loses none."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", timeout="10s"), "r")
            assert await bench.stores.queue.due(limit=9) == []
            await bench.clock.advance(11)

            (due,) = await bench.stores.queue.due(limit=9)
            assert await bench.stores.queue.due(limit=9) == [due]

            state = (await bench.send("r", event.TimerFired(due[2]))).record
            assert state.ending is record.Ending.TIMEOUT
            assert due not in await bench.stores.queue.due(limit=9)

        self.check(scenario)
