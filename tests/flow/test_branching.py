"""Flows that divide and come together: route, tee and merge."""

import asyncio
from typing import Any

import pytest

from penstock import Drop, Flow, PoisonError, RetryPolicy, merge, route, stage, tee
from penstock.base import ConfigError
from penstock.testing import ListSink, ListSource
from tests.flow import process_stages

EVENTS = [("order", 1), ("click", 2), ("order", 3), ("refund", 4)]


def kind(event: tuple[str, int]) -> str:
    return event[0]


def number(event: tuple[str, int]) -> int:
    return event[1]


async def refuse_odd(number: int) -> int:
    if number % 2:
        raise PoisonError(f"{number} is odd")
    return number


def test_each_message_takes_the_branch_that_the_function_names() -> None:
    """Branches have stages and sinks of their own; one that no branch is for is dead-lettered by name."""
    orders: list[int] = []
    clicks: list[Any] = []

    report = (
        Flow("shop")
        | EVENTS
        | route(kind, {"order": [number, orders.append], "click": clicks.append})
    ).run()

    assert (orders, clicks) == ([1, 3], [("click", 2)])
    assert (report.delivered, report.dead, report.extra) == (3, 1, 0)
    (letter,) = report.dead_letters
    assert (letter.stage, letter.reason, letter.payload) == ("kind", "poison", ("refund", 4))
    assert letter.error == (
        "route 'kind' sent the message to branch 'refund', but there are: 'order', 'click'; "
        "add that branch, or give the route a default="
    )


def test_a_default_takes_what_no_branch_is_for_and_drop_takes_it_out() -> None:
    """`Drop` means in a route what it means in a stage."""
    rest: list[Any] = []
    orders: list[Any] = []

    report = (
        Flow("shop")
        | EVENTS
        | route(
            lambda event: Drop("refund") if event[0] == "refund" else event[0],
            {"order": orders.append},
            default=rest.append,
        )
    ).run()

    assert rest == [("click", 2)]
    assert (report.delivered, report.filtered, report.dead) == (3, 1, 0)
    assert report.stages["route"].filtered == 1


def test_a_route_whose_function_fails_costs_that_message_only() -> None:
    """Also where it names something that can be no key."""
    rows: list[Any] = []

    report = (Flow("shop") | [["list"], "a", 1] | route(lambda one: one, {"a": rows.append})).run()

    assert rows == ["a"]
    assert [letter.error_class for letter in report.dead_letters] == [
        "TypeError",
        "UnknownBranchError",
    ]


def test_branches_without_a_sink_come_together_in_the_next_part() -> None:
    """Those that end in what gives nothing do not flow on, and count as delivered there."""
    clicks: list[Any] = []
    noted: list[Any] = []
    kept = ListSink()
    rows: list[Any] = []

    def note(event: tuple[str, int]) -> None:
        noted.append(event)

    flow = (
        Flow("shop")
        | [*EVENTS, ("note", 5), ("kept", 6), ("said", 7)]
        | route(
            kind,
            {
                "order": [number, lambda number: -number],
                "refund": [],
                "click": clicks.append,
                "note": [note],
                "kept": [number, kept],
                "said": stage(sink=True)(number),
            },
        )
        | rows.append
    )
    report = flow.run()

    assert set(rows) == {-1, -3, ("refund", 4)}
    assert (clicks, noted, kept.committed) == ([("click", 2)], [("note", 5)], [6])
    assert (report.delivered, report.filtered, report.pulled) == (7, 0, 7)


def test_a_tee_hands_every_message_to_every_branch() -> None:
    """The copies count as extra; the empty branch flows on."""
    archive: list[int] = []
    rows: list[int] = []

    report = (Flow("tee") | range(5) | tee([archive.append], [], []) | rows.append).run()

    assert archive == [0, 1, 2, 3, 4]
    assert sorted(rows) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert (report.pulled, report.extra, report.delivered) == (5, 10, 15)
    assert report.statistics.balanced


def test_a_message_of_a_tee_is_acked_when_all_branches_are_done_and_dead_if_one_is() -> None:
    """Else a crash would lose what the slower branch has not done."""
    source = ListSource([1, 2])
    done = asyncio.Event()
    seen: list[list[str]] = []

    @stage(workers=2)
    async def slow(number: int) -> None:
        await done.wait()

    async def fast(number: int) -> None:
        await refuse_odd(number)
        # Enough turns for an acknowledgement of the first message, which is dead in this branch.
        for _ in range(20):
            await asyncio.sleep(0)
        seen.append(list(source.acked))
        done.set()

    report = (Flow("tee") | source | tee(slow, fast)).run()

    assert seen == [[]]
    assert sorted(source.acked) == ["0", "1"]
    assert source.dead == ["0"]
    assert (report.delivered, report.dead, report.acked) == (3, 1, 2)


def test_several_sources_make_one_stream_and_each_gets_its_own_acks() -> None:
    """Ids begin with the number of the source, so that no two messages share one."""
    first, second = ListSource([1, 2, 3]), ListSource([4, 5])
    rows: list[int] = []
    doubled = Flow("doubled") | second | (lambda number: number * 2)

    report = (Flow("all") | merge(first, doubled, [7, 9]) | refuse_odd | rows.append).run()

    assert sorted(rows) == [2, 8, 10]
    assert sorted(letter.message_id for letter in report.dead_letters) == [
        "source1.0",
        "source1.2",
        "source3.0",
        "source3.1",
    ]
    assert (sorted(first.acked), sorted(second.acked)) == (["0", "1", "2"], ["0", "1"])
    assert sorted(first.dead) == ["0", "2"]
    assert (first.closed, second.closed, report.acked, report.pulled) == (1, 1, 7, 7)


def test_a_source_that_ends_leaves_the_room_to_the_others() -> None:
    """A stage that takes all at once wakes one of those that wait, which may have nothing more to put."""
    sources = [ListSource([number, number]) for number in range(4)]
    rows: list[int] = []

    @stage(batch=2)
    async def slow(numbers: list[int]) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        rows.extend(numbers)

    async def scenario() -> None:
        async with asyncio.timeout(60):
            await (Flow("room", capacity=2) | merge(*sources) | slow).run_async()

    asyncio.run(scenario())

    assert sorted(rows) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_stream_ends_after_the_last_item_of_all_upstreams() -> None:
    """A source and a branch that end early must not end the stage below."""
    rows: list[Any] = []
    slow_may_go = asyncio.Event()

    async def late() -> Any:
        yield 1
        await slow_may_go.wait()
        yield 2

    async def hold(number: int) -> int:
        await slow_may_go.wait()
        return number

    async def sink(number: int) -> None:
        rows.append(number)
        if len(rows) == 3:
            # Enough turns for what has ended to be seen as the end of everything.
            for _ in range(20):
                await asyncio.sleep(0)
            slow_may_go.set()

    flow = Flow("late") | merge(late(), [10, 11]) | tee([hold], []) | sink
    report = flow.run()

    assert sorted(rows) == [1, 1, 2, 2, 10, 10, 11, 11]
    assert report.ending == "finished"


def test_a_full_branch_holds_its_upstream_back_and_nobody_else() -> None:
    """What the other branch has room for goes on; the source is not asked for more than fits."""
    may_go = asyncio.Event()
    source = ListSource([("a", place) if place < 10 else ("b", place) for place in range(40)])
    rows: list[Any] = []

    async def stuck(event: Any) -> None:
        await may_go.wait()

    async def free(event: Any) -> None:
        rows.append(event)

    async def scenario() -> Any:
        flow = Flow("full", capacity=4) | source | route(kind, {"a": stuck, "b": free})
        async with flow.start() as running:
            while running.statistics().stages["stuck"].queue_items < 4:
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
            held = running.statistics()
            may_go.set()
            return held, await running.wait()

    held, report = asyncio.run(scenario())

    assert held.balanced
    assert held.pulled < 20
    assert all(one.peak_items <= 4 for one in report.stages.values())
    assert len(rows) == 30
    assert report.delivered == 40


@pytest.mark.parametrize("ending", ["drained", "cancelled"])
def test_a_graph_that_is_ended_early_hands_back_what_is_undone(ending: str) -> None:
    """A leaf in backoff keeps its source message unacknowledged, though its sibling was delivered."""
    source, numbers = ListSource(list(range(8))), [10, 11]
    begun = asyncio.Event()
    again = RetryPolicy(maximum_attempts=3, initial_interval="1h", maximum_interval="1h")

    @stage(retry=again, workers=2)
    async def fails(number: int) -> None:
        begun.set()
        raise OSError(number)

    rows: list[int] = []

    async def scenario() -> Any:
        flow = Flow("early") | merge(source, numbers) | tee(fails, rows.append)
        async with flow.start() as running:
            await begun.wait()
            while len(rows) < 10:
                await asyncio.sleep(0)
            return await (running.drain() if ending == "drained" else running.cancel())

    report = asyncio.run(scenario())

    assert report.ending == ending
    assert report.statistics.balanced
    assert (source.acked, sorted(source.nacked)) == ([], [str(place) for place in range(8)])
    # The list cannot give its items again: a drain tries them once more, and lets them die.
    assert report.dead == (2 if ending == "drained" else 0)
    assert report.delivered == 10


def test_branches_run_in_any_pool() -> None:
    """Threads, processes and the loop beside one another."""
    rows: list[int] = []

    report = (
        Flow("pools")
        | range(12)
        | route(
            lambda number: number % 3,
            {
                0: stage(pool="process")(process_stages.twice),
                1: stage(pool="thread", workers=2)(process_stages.twice),
                2: stage(pool="async")(process_stages.twice),
            },
        )
        | rows.append
    ).run()

    assert sorted(rows) == [2 * number for number in range(12)]
    assert {one.pool for one in report.stages.values()} == {"async", "thread", "process"}


def test_a_stage_in_a_branch_can_be_replaced_and_names_are_distinct() -> None:
    """Also a route's function, a stage of a merged flow, and one whose name was numbered."""
    rows: list[int] = []

    def same(number: int) -> int:
        return number

    def parity(number: int) -> int:
        return number % 2

    flow = (
        Flow("names")
        | merge(Flow("inner") | [1, 2, 3] | same)
        | route(parity, {0: [same], 1: [same, same]})
        | rows.append
    )

    changed = (
        flow.with_stage("same-4", lambda number: number * 10)
        .with_stage("same", lambda number: number + 1)
        .with_stage("parity", lambda number: 1)
    )
    report = changed.run()

    assert sorted(rows) == [20, 30, 40]
    assert list(report.stages) == ["same", "parity", "same-2", "same-3", "same-4", "append"]
    assert report.stages["same-2"].taken == 0
    flow.run()
    assert sorted(rows) == [1, 2, 3, 20, 30, 40]


def test_numbered_names_do_not_meet_given_ones() -> None:
    """Two stages of one name would be one line in the statistics."""
    parts = [stage(name=name)(number) for name in ("a", "a", "a-2", "a")]
    flow = Flow("names") | [] | parts[0] | parts[1] | parts[2] | parts[3] | print

    assert list(flow.run().stages) == ["a", "a-3", "a-2", "a-4", "print"]


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Flow("x") | [] | route(kind, {"a": print}) | number, "nothing reaches 'number'"),
        (lambda: Flow("x") | [] | ListSink() | print, "nothing reaches 'print'"),
        (lambda: Flow("x") | [] | tee([number], []), "a branch of 'tee' is empty"),
        (lambda: Flow("x") | [] | number | merge([], []), "are sources, and stand first"),
        (lambda: Flow("x") | merge(Flow("y"), []) | print, "a flow without a source"),
        (tee, "expected at least one branch"),
        (merge, "expected at least one source"),
        (lambda: route(kind, {}), "expected at least one branch"),
        (lambda: route(kind, [print]), "expected branches as a mapping"),
        (lambda: route(refuse_odd, {"a": print}), "must give the key at once"),
        (
            lambda: (Flow("x") | [] | tee(print, print)).with_stage("tee", number),
            "a tee has no function",
        ),
    ],
)
def test_a_graph_that_cannot_be_is_refused_when_it_is_built(build: Any, text: str) -> None:
    """Before anything runs, and with the way out."""
    with pytest.raises(ConfigError, match=text):
        build().explain()


def test_all_problems_of_all_branches_are_told_at_once() -> None:
    """One round of corrections, not one per branch."""
    flow = Flow("x") | [] | tee([3, print], ["no"], [])

    with pytest.raises(ConfigError) as caught:
        flow.explain()

    assert len(caught.value.problems) == 3
