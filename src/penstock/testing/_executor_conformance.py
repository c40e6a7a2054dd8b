"""What every executor must do, run over those of this process and any other."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final

from penstock.workflow import Executor, executor

_WITHOUT_SUCCESS: Final = {executor.JobState.STOPPED, executor.JobState.FAILED}


class Wanted(StrEnum):
    """What becomes of the work that a suite asks for."""

    SUCCEEDS = "succeeds"
    FAILS = "fails"
    HANGS = "hangs"


class ExecutorConformance:
    """Subclass it in a test module, and supply `open_executor` and `make_work`."""

    def open_executor(self) -> AbstractAsyncContextManager[Executor]:
        """An executor that knows of no job; a second one stands for another process."""
        raise NotImplementedError

    def make_work(self, wanted: Wanted, *, key: str = "run/step", number: int = 1) -> executor.Work:
        """Work of which that becomes; attempts of equal keys differ by their number."""
        raise NotImplementedError

    def check(self, scenario: Callable[[Executor], Awaitable[None]]) -> None:
        """Run a scenario on the executor."""

        async def main() -> None:
            async with self.open_executor() as opened:
                await asyncio.wait_for(scenario(opened), 60)

        asyncio.run(main())

    def test_a_job_is_named_by_its_key(self) -> None:
        """The same for every attempt, in every process; another for other work."""

        async def scenario(doer: Executor) -> None:
            names = [
                doer.handle(self.make_work(Wanted.SUCCEEDS, key=key, number=number))
                for key, number in (("a", 1), ("a", 2), ("b", 1))
            ]
            async with self.open_executor() as other:
                assert other.handle(self.make_work(Wanted.SUCCEEDS, key="a")) == names[0]
            assert names[0] == names[1] != names[2]

        self.check(scenario)

    def test_a_job_that_was_never_submitted_is_absent(self) -> None:
        """Answered for certain; stopping it is harmless."""

        async def scenario(doer: Executor) -> None:
            handle = doer.handle(self.make_work(Wanted.SUCCEEDS))
            await doer.cancel(handle)
            assert (await doer.observe(handle)).state is executor.JobState.ABSENT
            assert not await doer.reattach(handle)

        self.check(scenario)

    def test_how_a_job_ended_can_be_observed_again(self) -> None:
        """A report that was lost on its way is made once more."""

        async def scenario(doer: Executor) -> None:
            for wanted, state in (
                (Wanted.SUCCEEDS, executor.JobState.SUCCEEDED),
                (Wanted.FAILS, executor.JobState.FAILED),
            ):
                work = self.make_work(wanted, key=wanted)
                first = await _finished(doer, work)
                assert first.state is state
                assert (first.failure is not None) == (wanted is Wanted.FAILS)
                assert await doer.observe(doer.handle(work)) == first

        self.check(scenario)

    def test_a_job_that_runs_is_met_by_the_next_submission(self) -> None:
        """And goes on when its observer is cancelled."""

        async def scenario(doer: Executor) -> None:
            work = self.make_work(Wanted.HANGS)
            handle = doer.handle(work)
            await doer.submit(work, handle)
            watching = asyncio.create_task(doer.observe(handle))
            await asyncio.sleep(0)
            watching.cancel()
            await doer.submit(self.make_work(Wanted.SUCCEEDS, number=2), handle)
            assert (await doer.observe(handle)).state is executor.JobState.RUNNING
            await _stopped(doer, handle)

        self.check(scenario)

    def test_a_job_that_failed_or_was_stopped_is_replaced(self) -> None:
        """A further attempt of the same key is a job of its own."""

        async def scenario(doer: Executor) -> None:
            assert (await _finished(doer, self.make_work(Wanted.FAILS))).failure is not None
            hangs = self.make_work(Wanted.HANGS, number=2)
            handle = doer.handle(hangs)
            await doer.submit(hangs, handle)
            await _stopped(doer, handle)
            again = await _finished(doer, self.make_work(Wanted.SUCCEEDS, number=3))
            assert again.state is executor.JobState.SUCCEEDED

        self.check(scenario)

    def test_a_handle_is_all_that_another_process_needs(self) -> None:
        """A job that outlives its process is found, observed and stopped by it; any other is gone for certain."""

        async def scenario(doer: Executor) -> None:
            work = self.make_work(Wanted.HANGS)
            handle = _through_a_store(doer.handle(work))
            await doer.submit(work, handle)
            async with self.open_executor() as other:
                assert await other.reattach(handle) == other.outlives
                seen = await other.observe(handle)
                if not other.outlives:
                    assert seen.state is executor.JobState.ABSENT
                    # Whoever takes over ends what is left; this process may see that as a failure.
                    assert (await _ended(doer, handle)).state in _WITHOUT_SUCCESS
                    return
                assert seen.state is executor.JobState.RUNNING
                await _stopped(other, handle)
            assert (await doer.observe(handle)).state is executor.JobState.STOPPED

        self.check(scenario)

    def test_a_job_is_ended_by_the_stop_of_its_attempt_alone(self) -> None:
        """One stopped beside another leaves that one running."""

        async def scenario(doer: Executor) -> None:
            works = [self.make_work(Wanted.HANGS, key=key) for key in ("a", "b")]
            one, other = (doer.handle(work) for work in works)
            for work, handle in zip(works, (one, other), strict=True):
                await doer.submit(work, handle)
            await _stopped(doer, one)
            assert (await doer.observe(other)).state is executor.JobState.RUNNING
            await _stopped(doer, other)

        self.check(scenario)


def _through_a_store(handle: executor.JobHandle) -> executor.JobHandle:
    """As it comes back from its row: plain text."""
    row = json.loads(json.dumps([handle.executor, handle.name, dict(handle.data)]))
    return executor.JobHandle(*row)


async def _finished(doer: Executor, work: executor.Work) -> executor.Observation:
    handle = doer.handle(work)
    await doer.submit(work, handle)
    while (seen := await doer.observe(handle)).state is executor.JobState.RUNNING:
        pass
    return seen


async def _stopped(doer: Executor, handle: executor.JobHandle) -> None:
    assert (await _ended(doer, handle)).state is executor.JobState.STOPPED


async def _ended(doer: Executor, handle: executor.JobHandle) -> executor.Observation:
    """Ask twice for its stop, which is harmless, and see it end."""
    await doer.cancel(handle)
    await doer.cancel(handle)
    while (seen := await doer.observe(handle)).state is executor.JobState.RUNNING:
        pass
    return seen
