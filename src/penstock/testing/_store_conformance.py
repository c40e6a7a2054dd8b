"""What every store must do, run over SQLite and any other."""

from datetime import timedelta
from typing import Any

from penstock.testing._onward_conformance import OnwardConformance
from penstock.testing._queue_conformance import QueueConformance
from penstock.testing._store_bench import BROKEN, Bench, absent, make_pipeline, ref, refused
from penstock.workflow import (
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


class StoreConformance(QueueConformance, OnwardConformance):
    """Subclass it in a test module, and supply `open_stores`."""

    def test_a_run_comes_back_as_it_was_kept_after_every_decision(self) -> None:
        """What is loaded equals what was decided: nothing of a state may be lost on the disk."""
        steps: dict[str, Any] = {
            "a": {"shell": {"command": "x"}, "retry": {"maximum_attempts": 2}},
            "b": {"shell": {"command": "x"}, "map": {"over": "${{ params.days }}", "parallel": 2}},
        }
        pipeline = make_pipeline(steps=steps, parameters={"days": {"type": "list", "default": [1]}})

        async def scenario(bench: Bench) -> None:
            await bench.create(pipeline, "r")
            for happened in (
                event.Admitted(),
                event.Resolved("b", items=3),
                event.AttemptStarted(ref("a")),
                event.AttemptFailed(ref("a"), BROKEN),
                event.AttemptStarted(ref("b", item=0)),
                event.AttemptBeat(ref("b", item=0)),
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

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a"), "r")
            initial = RunRecord.new("r", make_pipeline("a").graph)
            again = store.StoredRun("t", initial, make_pipeline("a"), {}, "k")
            decision = decide(initial, event.Submitted(), bench.clock.now())

            assert not await bench.stores.runs.create(again, decision)
            assert (await bench.stores.runs.load("t", "r")).record.state == "RUNNING"

        self.check(scenario)

    def test_what_a_run_waits_for_is_in_the_store(self) -> None:
        """After a crash the rows alone say what is to be done: nothing is asked in memory only."""

        async def scenario(bench: Bench) -> None:
            steps: dict[str, Any] = {
                "a": {"shell": {"command": "x"}},
                "b": {"shell": {"command": "x"}, "when": "${{ params.on }}"},
            }
            on = {"on": {"type": "boolean", "default": True}}
            pipeline = make_pipeline(steps=steps, parameters=on)
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

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", "b"), "r")
            stale = await bench.stores.runs.load("t", "r")
            await bench.send("r", event.AttemptStarted(ref("a")))
            before = await bench.stores.outbox.read(after=0, limit=99)

            late = event.AttemptStarted(ref("b"))
            decision = decide(stale.record, late, bench.clock.now())
            await refused(bench.stores.runs.apply(stale, late, decision))

            assert await bench.stores.outbox.read(after=0, limit=99) == before
            kept = (await bench.stores.runs.load("t", "r")).record
            assert kept.steps["b"].state is states.StepState.READY

        self.check(scenario)

    def test_events_are_kept_with_their_change_and_read_in_order(self) -> None:
        """Dense within a run; a consumer's place is kept, and never goes back."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a"), "r", "s")
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
            await bench.send("r", event.AttemptBeat(ref("a")))  # comes late, and tells nothing
            assert await bench.stores.outbox.end() == found[-1].position
            assert await bench.stores.outbox.read(after=found[-1].position, limit=99) == []
            assert await bench.stores.outbox.cursor("audit") == 0
            await bench.stores.outbox.advance("audit", 5)
            await bench.stores.outbox.advance("audit", 3)
            assert await bench.stores.outbox.cursor("audit") == 5

        self.check(scenario)

    def test_a_run_that_is_admitted_again_goes_on(self) -> None:
        """By an engine that had not seen that another was quicker."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a"), "r")
            told = await bench.stores.outbox.read(after=0, limit=99)

            again = await bench.send("r", event.Admitted())

            assert again.record.state is states.RunState.RUNNING
            assert await bench.stores.outbox.read(after=0, limit=99) == told

        self.check(scenario)

    def test_pages_of_any_size_give_each_event_once(self) -> None:
        """Also where a page ends between two events of one change."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a", "b"), "r", "s")
            for lease in await bench.claim():
                await bench.do(lease)
            outbox, archive = bench.stores.outbox, bench.stores.archive
            whole = await outbox.read(after=0, limit=99)
            own = await archive.events("t", "r")

            for place, told in enumerate(whole):
                page = await outbox.read(after=told.position, limit=2)
                assert page == whole[place + 1 : place + 3]
            for place, told in enumerate(own):
                page = await archive.events("t", "r", after=told.event.seq, limit=2)
                assert page == own[place + 1 : place + 3]

        self.check(scenario)

    def test_what_a_step_left_is_catalogued_with_its_success(self) -> None:
        """Once for each name, and seen by its tenant alone."""
        left = (
            executor.Artifact("a.csv", 3, "00", "x/a.csv"),
            executor.Artifact("b", 0, "11", "b"),
        )

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a"), "r")
            (lease,) = await bench.claim()
            ref = lease.attempt.ref
            await bench.send("r", event.AttemptStarted(ref), lease=lease)
            assert await bench.stores.archive.artifacts("t", "r") == []
            await bench.send("r", event.AttemptSucceeded(ref), lease=lease, artifacts=left)

            found = await bench.stores.archive.artifacts("t", "r")
            assert found == [store.KeptArtifact("a", record.WHOLE, 1, each) for each in left]
            assert await bench.stores.archive.artifacts("other", "r") == []

        self.check(scenario)

    def test_a_version_is_a_draft_until_it_is_valid(self) -> None:
        """By its table: what has been valid is no draft again. A run makes its version valid."""
        valid, draft = states.VersionState.VALIDATED, states.VersionState.DRAFT

        async def scenario(bench: Bench) -> None:
            kept, ran = make_pipeline("a"), make_pipeline("b")
            for pipeline in (kept, ran):
                assert await bench.stores.runs.keep("t", pipeline, draft) is draft
            assert await bench.stores.runs.keep("t", kept, valid) is valid
            assert await bench.stores.runs.keep("t", kept, valid) is valid
            await bench.create(ran, "r")

            found = {
                each.digest: each.state for each in await bench.stores.archive.versions("t", "p")
            }
            assert found == {kept.digest: valid, ran.digest: valid}
            try:
                await bench.stores.runs.keep("t", kept, draft)
            except errors.IllegalTransitionError:
                return
            raise AssertionError("expected an IllegalTransitionError")

        self.check(scenario)

    def test_results_are_read_by_step_and_by_item(self) -> None:
        """Of a map: a list by item, with None where an item failed; None of a step that gave nothing.

        A step that has not ended has no result.
        """
        steps: dict[str, Any] = {
            "a": {"shell": {"command": "x"}},
            "n": {"shell": {"command": "x"}},
            "o": {"shell": {"command": "x"}, "needs": ["m"]},
            "m": {
                "shell": {"command": "x"},
                "map": {"over": "${{ params.days }}", "allow_failed": 1},
            },
        }
        pipeline = make_pipeline(steps=steps, parameters={"days": {"type": "list", "default": [1]}})

        async def scenario(bench: Bench) -> None:
            await bench.started(pipeline, "r")
            await bench.send("r", event.Resolved("m", items=3))
            for lease in await bench.claim():
                if lease.attempt.ref.item == 1:
                    failed = errors.Failure(errors.ErrorClass.DATA, "no")
                    await bench.send(
                        "r", event.AttemptFailed(lease.attempt.ref, failed), lease=lease
                    )
                elif lease.attempt.ref.step == "n":
                    await bench.do(lease)
                else:
                    await bench.do(lease, {"item": lease.attempt.ref.item})

            found = await bench.stores.runs.results("t", "r", ["a", "m", "n", "o"])

            mapped = [{"item": 0}, None, {"item": 2}]
            assert found == {"a": {"item": -1}, "m": mapped, "n": None}

        self.check(scenario)

    def test_one_tenant_does_not_see_the_other(self) -> None:
        """Equal ids of two tenants are two runs."""

        async def scenario(bench: Bench) -> None:
            await bench.create(make_pipeline("a"), "r", "one")
            await bench.create(make_pipeline("a"), "r", "two")
            await bench.send("r", event.Admitted(), tenant="one")

            assert (await bench.stores.runs.load("two", "r")).record.state == "QUEUED"
            assert len(await bench.stores.archive.events("two", "r")) == 1
            assert [run.state for run in await bench.stores.archive.runs("one")] == ["RUNNING"]
            for missing in (
                bench.stores.runs.load("three", "r"),
                bench.stores.archive.version("three", make_pipeline("a").digest),
            ):
                await absent(missing)

        self.check(scenario)

    def test_runs_are_listed_newest_first_page_by_page(self) -> None:
        """With the history of each, which is all that it was decided on."""

        async def scenario(bench: Bench) -> None:
            await bench.started(make_pipeline("a"), "r1", "r2", "r3")
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
