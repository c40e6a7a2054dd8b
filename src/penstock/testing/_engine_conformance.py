"""What every engine must do, run over the embedded one and any other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from penstock.steps import StepFailedError
from penstock.testing._executors import Doing, nothing
from penstock.workflow import (
    Engine,
    Pipeline,
    RunRecord,
    engine,
    errors,
    executor,
    record,
    restart,
    states,
)

_Said = Mapping[str, Any]
Scenario = Callable[[Engine], Awaitable[None]]


def steps(**written: Mapping[str, Any]) -> dict[str, Any]:
    """Steps of type `shell`, whose command is their name, with further keys as given."""
    return {name: {"shell": {"command": name}, **keys} for name, keys in written.items()}


def fails(error: errors.ErrorClass = errors.ErrorClass.TRANSIENT) -> StepFailedError:
    """A failure of this class."""
    return StepFailedError(error, "it went wrong")


def _limited(kind: str, seconds: float) -> Pipeline:
    """One step, and a time-out of this kind."""
    if kind == "run":
        return Pipeline.build("p", steps=steps(a={}), timeout=seconds)
    return Pipeline.build("p", steps=steps(a={"timeout": {kind: seconds}}))


_QUICK: Mapping[str, Any] = {"initial_interval": 0.01, "maximum_attempts": 3}


class EngineConformance:
    """Subclass it in a test module, and supply `open_engine`."""

    def open_engine(self, doing: Doing) -> AbstractAsyncContextManager[Engine]:
        """An engine at work, empty at first, whose steps of type `shell` are done by `doing`."""
        raise NotImplementedError

    def check(self, doing: Doing, scenario: Scenario) -> None:
        """Run a scenario on the engine."""

        async def main() -> None:
            async with self.open_engine(doing) as opened:
                await asyncio.wait_for(scenario(opened), 60)

        asyncio.run(main())

    def finish(self, pipeline: Pipeline, doing: Doing, **params: Any) -> RunRecord:
        """Run a pipeline to its end."""
        ended: list[RunRecord] = []

        async def scenario(opened: Engine) -> None:
            run, _ = await opened.submit(request(pipeline, **params))
            ended.append(await opened.wait("t", run))

        self.check(doing, scenario)
        return ended[0]

    def test_steps_run_after_what_they_need(self) -> None:
        """And side by side where nothing keeps them apart."""
        done: list[str] = []
        together = asyncio.Barrier(2)

        async def doing(work: executor.Work) -> None:
            if work.ref.step in "bc":
                await together.wait()
            done.append(work.ref.step)

        written = steps(a={}, b={"needs": ["a"]}, c={"needs": ["a"]}, d={"needs": ["b", "c"]})
        ended = self.finish(Pipeline.build("p", steps=written), doing)

        assert ended.state is states.RunState.SUCCEEDED
        assert (done[0], done[-1], sorted(done)) == ("a", "d", ["a", "b", "c", "d"])

    def test_a_run_key_is_run_once_however_often_it_is_submitted(self) -> None:
        """Submitting again answers with the same run and starts nothing."""
        begun: list[str] = []

        async def doing(work: executor.Work) -> None:
            begun.append(work.key)

        async def scenario(opened: Engine) -> None:
            asked = request(Pipeline.build("p", steps=steps(a={})))
            found = await asyncio.gather(*(opened.submit(asked) for _ in range(5)))
            (run,) = {run for run, _ in found}
            assert sum(created for _, created in found) == 1
            await opened.wait("t", run)
            assert (await opened.submit(asked))[1] is False
            assert begun == [f"{run}/a"]

        self.check(doing, scenario)

    def test_results_reach_the_steps_behind(self) -> None:
        """As `steps.NAME.outputs`, beside the parameters; large ones too."""
        seen: dict[str, Any] = {}

        async def doing(work: executor.Work) -> Any:
            seen[work.ref.step] = dict(work.action["env"])
            return {"rows": 7, "text": "x" * 100_000}

        env = {
            "DAY": "${{ params.day }}",
            "ROWS": "${{ steps.a.outputs.rows }}",
            "SIZE": "${{ size(steps.a.outputs.text) }}",
        }
        written = steps(a={}, b={"needs": ["a"]})
        written["b"]["shell"] = {"command": "b", "env": env}
        pipeline = Pipeline.build("p", steps=written, parameters={"day": {}})
        self.finish(pipeline, doing, day="monday")

        assert seen["b"] == {"DAY": "monday", "ROWS": 7, "SIZE": 100_000}

    def test_a_failure_is_tried_again_by_its_class(self) -> None:
        """Transient ones are, as often as the policy says; faults of the user are not."""
        begun: list[str] = []

        async def doing(work: executor.Work) -> None:
            begun.append(work.ref.step)
            if work.ref.step == "a":
                raise fails()
            raise fails(errors.ErrorClass.USER)

        written = steps(a={"retry": _QUICK}, b={"retry": _QUICK})
        ended = self.finish(Pipeline.build("p", steps=written), doing)

        assert ended.state is states.RunState.FAILED
        assert (begun.count("a"), begun.count("b")) == (3, 1)

    def test_the_budget_of_retries_is_the_runs(self) -> None:
        """All steps together take no more from it."""
        begun: list[str] = []

        async def doing(work: executor.Work) -> None:
            begun.append(work.ref.step)
            raise fails()

        written = steps(a={"retry": _QUICK}, b={"retry": _QUICK}, c={"retry": _QUICK})
        self.finish(Pipeline.build("p", steps=written, retry_budget=2), doing)

        assert len(begun) == 3 + 2

    def test_each_time_out_ends_what_it_watches(self) -> None:
        """Attempt, step and run; what hangs is stopped, and that is awaited."""
        for kind in ("attempt", "step", "heartbeat", "run"):
            # A slow machine may need longer than the shortest time-out to begin the work at all.
            found = (self._timed_out(_limited(kind, seconds)) for seconds in (0.05, 0.5, 5.0, 20.0))
            assert any(found), f"nothing began before the time-out of the {kind}"

    def _timed_out(self, pipeline: Pipeline) -> bool:
        """See it end by its time-out, with all that had begun stopped; whether something had."""
        begun: list[str] = []
        stopped: list[str] = []

        async def doing(work: executor.Work) -> None:
            begun.append(work.ref.step)
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(work.ref.step)

        ended = self.finish(pipeline, doing)
        assert ended.failure is not None
        assert (ended.state, ended.failure.error) == ("FAILED", "timeout")
        assert stopped == begun
        return bool(begun)

    def test_a_cancel_ends_what_runs_and_starts_nothing_more(self) -> None:
        """CANCELLED only when the work has been seen to stop."""
        begun, stopped = asyncio.Event(), asyncio.Event()

        async def doing(_: executor.Work) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        async def scenario(opened: Engine) -> None:
            written = steps(a={}, b={"needs": ["a"]})
            run, _ = await opened.submit(request(Pipeline.build("p", steps=written)))
            await begun.wait()
            await opened.cancel("t", run, reason="enough")
            ended = await opened.wait("t", run)
            assert ended.state is states.RunState.CANCELLED
            assert stopped.is_set()
            assert {step.state for step in ended.steps.values()} == {"CANCELLED"}
            try:
                await opened.cancel("t", run, reason="again")
            except errors.RefusedError:
                return
            raise AssertionError("expected a RefusedError")

        self.check(doing, scenario)

    def test_a_paused_run_starts_nothing_until_it_goes_on(self) -> None:
        """What runs goes on meanwhile."""
        begun: list[str] = []
        first, go_on = asyncio.Event(), asyncio.Event()

        async def doing(work: executor.Work) -> None:
            begun.append(work.ref.step)
            first.set()
            await go_on.wait()

        async def scenario(opened: Engine) -> None:
            written = steps(a={}, b={"needs": ["a"]})
            run, _ = await opened.submit(request(Pipeline.build("p", steps=written)))
            await first.wait()
            await opened.pause("t", run)
            go_on.set()
            while not (await opened.state("t", run)).steps["a"].state.ended:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert begun == ["a"]
            await opened.resume("t", run)
            assert (await opened.wait("t", run)).state is states.RunState.SUCCEEDED
            assert begun == ["a", "b"]

        self.check(doing, scenario)

    def test_a_failed_run_is_undone_in_reverse_order(self) -> None:
        """Only what succeeded; and a compensation that failed can be resumed."""
        undone: list[str] = []
        broken = [True]

        async def doing(work: executor.Work) -> None:
            if work.ref.undo:
                if work.ref.step == "a" and broken:
                    raise fails(errors.ErrorClass.USER)
                undone.append(work.ref.step)
            elif work.ref.step == "c":
                raise fails(errors.ErrorClass.DATA)

        undo = {"compensate": {"shell": {"command": "undo"}}}
        written = steps(a=undo, b={"needs": ["a"], **undo}, c={"needs": ["b"], **undo})
        pipeline = Pipeline.build("p", steps=written, on_failure={"compensate": "completed-steps"})

        async def scenario(opened: Engine) -> None:
            run, _ = await opened.submit(request(pipeline))
            ended = await opened.wait("t", run)
            assert (ended.state, ended.compensation) == ("FAILED", "failed")
            assert undone == ["b"]
            broken.clear()
            await opened.resume("t", run)
            ended = await opened.wait("t", run)
            assert (ended.compensation, undone) == (record.Compensation.DONE, ["b", "a"])

        self.check(doing, scenario)

    def test_a_map_runs_each_item_and_tolerates_what_it_may(self) -> None:
        """Within its allowance the step is WARNED and hands on the items that failed."""
        seen: dict[str, Any] = {}

        async def doing(work: executor.Work) -> Any:
            if work.ref.step == "b":
                seen.update(work.action["env"])
                return None
            if work.ref.item == 2:
                raise fails(errors.ErrorClass.DATA)
            return work.action["env"]["X"]

        written = steps(a={}, b={"needs": ["a"]})
        written["a"] |= {
            "map": {"over": "${{ params.days }}", "as": "day", "parallel": 3, "allow_failed": "20%"}
        }
        written["a"]["shell"]["env"] = {"X": "${{ day * 10 }}"}
        written["b"]["shell"]["env"] = {
            "ALL": "${{ steps.a.outputs }}",
            "BAD": "${{ steps.a.failed_items }}",
        }
        days = list(range(8))
        pipeline = Pipeline.build("p", steps=written, parameters={"days": {"type": "list"}})
        ended = self.finish(pipeline, doing, days=days)

        assert ended.steps["a"].state is states.StepState.WARNED
        assert seen["ALL"] == [None if day == 2 else day * 10 for day in days]
        assert seen["BAD"] == [2]

    def test_a_step_is_skipped_when_it_is_not_wanted(self) -> None:
        """Those behind it go on; a condition that fails is a failure of the step."""
        written = steps(a={"when": "${{ params.on }}"}, b={"needs": ["a"]})
        on = {"on": {"type": "boolean"}}

        ended = self.finish(Pipeline.build("p", steps=written, parameters=on), nothing, on=False)

        assert {name: str(step.state) for name, step in ended.steps.items()} == {
            "a": "SKIPPED",
            "b": "SUCCEEDED",
        }

    def test_a_failed_run_is_restarted_from_where_it_failed(self) -> None:
        """What was done is taken over with its results, and not done again."""
        begun: list[str] = []
        broken = [True]
        seen: dict[str, Any] = {}

        async def doing(work: executor.Work) -> Any:
            begun.append(work.ref.step)
            seen.update(work.action["env"])
            if work.ref.step == "b" and broken:
                raise fails(errors.ErrorClass.USER)
            return f"{work.ref.step} was done"

        written = steps(a={}, b={"needs": ["a"]})
        written["b"]["shell"]["env"] = {"A": "${{ steps.a.outputs }}"}
        pipeline = Pipeline.build("p", steps=written)

        async def scenario(opened: Engine) -> None:
            run, _ = await opened.submit(request(pipeline))
            earlier = await opened.wait("t", run)
            assert earlier.state is states.RunState.FAILED
            broken.clear()
            again = await opened.submit(request(pipeline, key="again", earlier=earlier))
            assert (await opened.wait("t", again[0])).state is states.RunState.SUCCEEDED
            assert begun == ["a", "b", "b"]
            assert seen == {"A": "a was done"}

        self.check(doing, scenario)

    def test_what_a_run_asks_for_and_nobody_has_is_a_failure(self) -> None:
        """A definition that cannot work ends its run, and tries nothing again."""
        written = steps(a={})
        written["a"] = {"http": {"url": "https://example.org"}}

        ended = self.finish(Pipeline.build("p", steps=written), nothing)

        assert ended.failure is not None
        assert (ended.state, ended.failure.error) == ("FAILED", "config")


def request(
    pipeline: Pipeline, *, key: str = "k", earlier: RunRecord | None = None, **params: Any
) -> engine.RunRequest:
    """A request of tenant `t`."""
    wanted = engine.RunRequest("t", pipeline, key + pipeline.digest, pipeline.bind(params))
    if earlier is None:
        return wanted
    return engine.RunRequest(
        wanted.tenant,
        pipeline,
        wanted.run_key,
        wanted.params,
        "restart",
        restart(earlier, key, graph=pipeline.graph),
    )
