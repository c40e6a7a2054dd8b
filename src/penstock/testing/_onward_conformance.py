"""What every store must do where a worker goes on with the next attempt in one transaction."""

from typing import Any

from penstock.testing._store_bench import LEASE, Bench, StoreSuite, make_pipeline, ref, refused
from penstock.workflow import Pipeline, command, decide, event, executor, states, store


def chained() -> Pipeline:
    """The step `b` follows `a`, and `c` follows `b`."""
    written: dict[str, Any] = {name: {"shell": {"command": "true"}} for name in "abc"}
    written["b"]["needs"], written["c"]["needs"] = ["a"], ["b"]
    return make_pipeline(steps=written)


async def go_on(
    bench: Bench, lease: store.Lease, step: str, happened: event.Event | None = None
) -> store.Lease:
    """Report the success of a lease, or what else happened to it, and begin `step` with it."""
    run = await bench.stores.runs.load(lease.tenant, lease.run)
    done = happened or event.AttemptSucceeded(lease.attempt.ref)
    first = decide(run.record, done, bench.clock.now())
    following = lease._replace(
        attempt=command.StartAttempt(ref(step), ref(step).key(lease.run)),
        fence=1,
        handle=executor.JobHandle("shell", f"job-{step}"),
    )
    second = decide(first.state, event.AttemptStarted(ref(step)), bench.clock.now())
    onward = store.Onward(following, LEASE, second)
    await bench.stores.runs.apply(run, done, first, lease=lease, onward=onward)
    return following


class OnwardConformance(StoreSuite):
    """The next attempt is held and begun as if it had been claimed, or nothing has happened."""

    def test_the_next_attempt_is_begun_with_the_success_before_it(self) -> None:
        """With its history, its events and its job; nobody else gets it, and its report counts."""

        async def scenario(bench: Bench) -> None:
            await bench.started(chained(), "r")
            (lease,) = await bench.claim()
            held = await go_on(bench, lease, "b")

            assert await bench.claim("other") == []
            run = (await bench.stores.runs.load("t", "r")).record
            assert run.steps["b"].state is states.StepState.RUNNING
            history = [happened for _, happened in await bench.stores.archive.history("t", "r")]
            assert history[-2:] == [
                event.AttemptSucceeded(ref("a")),
                event.AttemptStarted(ref("b")),
            ]
            told = [each.event.seq for each in await bench.stores.archive.events("t", "r")]
            assert told == list(range(1, run.seq + 1))
            await bench.clock.advance(LEASE.total_seconds() + 1)
            (left,) = await bench.stores.queue.expired(limit=9)
            assert (left.fence, left.handle) == (1, held.handle)
            await bench.send("r", event.AttemptSucceeded(ref("b")), lease=held)

        self.check(scenario)

    def test_where_it_cannot_be_begun_nothing_has_happened(self) -> None:
        """Neither an attempt that was not asked for, nor one that somebody else has taken."""

        async def scenario(bench: Bench) -> None:
            await bench.started(chained(), "r")
            (lease,) = await bench.claim()
            before = await bench.stores.runs.load("t", "r")
            await refused(go_on(bench, lease, "c"))
            await refused(go_on(bench, lease._replace(fence=9), "b"))
            await refused(go_on(bench, lease._replace(worker="other"), "b"))

            assert (await bench.stores.runs.load("t", "r")).record == before.record
            (kept,) = await bench.stores.queue.renew([lease], lease=LEASE)
            assert kept.attempt == lease.attempt
            assert await bench.claim() == []

        self.check(scenario)

    def test_an_attempt_that_somebody_else_has_is_not_gone_on_with(self) -> None:
        """It was asked for earlier, and claimed since; whoever has it keeps it."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", "b"), "r")
            (lease,) = await bench.claim(limit=1)
            (taken,) = await bench.claim("other")
            await refused(go_on(bench, lease, "b"))

            kept = await bench.stores.queue.renew([lease, taken], lease=LEASE)
            assert [each.worker for each in kept] == ["w", "other"]

        self.check(scenario)

    def test_the_limit_of_a_run_holds_for_who_goes_on(self) -> None:
        """Counted from leases in the same transaction, as for every claim."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", "b", concurrency={"steps": 1}), "r")
            (lease,) = await bench.claim(limit=1)
            before = await bench.stores.runs.load("t", "r")
            await refused(go_on(bench, lease, "b", event.AttemptStarted(lease.attempt.ref)))
            assert (await bench.stores.runs.load("t", "r")).record == before.record

            await go_on(bench, lease, "b")
            assert await bench.claim() == []

        self.check(scenario)
