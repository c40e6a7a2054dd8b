"""A flow as a user meets it."""

import asyncio

import pytest

from penstock import Drop, Flow, PoisonError, RetryPolicy, stage, tee
from penstock.base import ConfigError
from penstock.flow import FatalError, FlowError, FlowFailedError, FlowReport
from penstock.testing import ListSource


async def plus_one(number: int) -> int:
    return number + 1


@stage(workers=2)
def halves(number: int):
    """One to many: a generator."""
    yield number / 2
    yield number / 2


def test_plain_functions_are_stages_and_a_method_is_a_sink() -> None:
    """The least that a user must write is the functions."""
    rows: list[int] = []

    report = (
        Flow("least") | range(100) | plus_one | (lambda number: number * 2) | rows.append
    ).run()

    assert rows == [2 * (number + 1) for number in range(100)]
    assert (report.pulled, report.delivered, report.acked, report.ending) == (
        100,
        100,
        100,
        "finished",
    )


def test_one_to_many_filtered_and_dead_add_up() -> None:
    """The equation of the outcomes is what users trust instead of counting themselves."""

    def check(number: int) -> int | Drop | None:
        if number % 10 == 0:
            raise PoisonError(f"{number} is a ten")
        return None if number % 10 == 1 else Drop("two") if number % 10 == 2 else number

    rows: list[float] = []
    report = (Flow("sum") | range(100) | check | halves | rows.append).run()

    assert (report.pulled, report.extra, report.delivered) == (100, 70, 140)
    assert (report.filtered, report.dead, report.in_flight, report.acked) == (20, 10, 0, 100)
    assert report.statistics.balanced
    assert len(rows) == 140
    assert {letter.reason for letter in report.dead_letters} == {"poison"}


def test_a_failed_attempt_hands_on_nothing() -> None:
    """Outputs of an attempt are held back until it has succeeded."""
    attempts = []

    @stage(retry=RetryPolicy(maximum_attempts=2, initial_interval="0s", maximum_interval="0s"))
    def torn(number: int):
        yield number
        attempts.append(number)
        if len(attempts) == 1:
            raise OSError("torn")
        yield -number

    rows: list[int] = []
    report = (Flow("torn") | [7] | torn | rows.append).run()

    assert rows == [7, -7]
    assert (report.delivered, report.stages["torn"].retries) == (2, 1)


def test_more_outputs_than_the_channel_holds_need_streaming() -> None:
    """Otherwise the buffer of an attempt would have no bound; the sentence says what to write."""

    def many(number: int):
        yield from range(number)

    rows: list[int] = []
    flow = Flow("many", capacity=10) | [11] | many | rows.append

    with pytest.raises(FlowFailedError, match="say streaming=True") as caught:
        flow.run()

    assert rows == []
    assert caught.value.report.in_flight == 1
    report = flow.with_stage("many", stage(streaming=True)(many)).run()
    assert rows == list(range(11))
    assert (report.pulled, report.extra, report.delivered, report.acked) == (1, 10, 11, 1)


def test_a_fatal_error_ends_the_flow_and_acknowledges_nothing_more() -> None:
    """No message can succeed: to go on would turn all of them into dead letters."""

    def stop(number: int) -> int:
        raise FatalError("no credentials")

    with pytest.raises(FlowFailedError, match="no credentials") as caught:
        (Flow("fatal") | range(5) | stop | print).run()

    assert isinstance(caught.value.__cause__, FatalError)
    assert (caught.value.report.acked, caught.value.report.in_flight) == (0, 5)
    assert caught.value.report.statistics.balanced


def test_run_works_where_a_loop_runs_already() -> None:
    """As in a notebook."""
    rows: list[int] = []

    async def cell() -> FlowReport:
        return (Flow("cell") | range(3) | plus_one | rows.append).run()

    assert asyncio.run(cell()).delivered == 3


def test_with_stage_replaces_one_stage_and_leaves_the_flow_alone() -> None:
    """Flows are values: a test replaces the stage that talks to the world."""
    rows: list[int] = []
    flow = Flow("twin") | range(2) | plus_one | rows.append

    flow.with_stage("plus_one", lambda number: number * 10).run()
    flow.run()

    assert rows == [0, 10, 1, 2]
    with pytest.raises(FlowError, match="no stage 'plus_two'; there are: plus_one, append"):
        flow.with_stage("plus_two", plus_one)


def test_two_flows_in_one_process_share_nothing() -> None:
    """Statistics and channels belong to a run."""

    async def both() -> list[FlowReport]:
        flow = Flow("shared") | range(50) | plus_one | (lambda number: None)
        return list(await asyncio.gather(flow.run_async(), flow.run_async()))

    assert [report.delivered for report in asyncio.run(both())] == [50, 50]


def test_what_is_no_flow_is_refused_with_all_its_problems() -> None:
    """A user repairs everything at once."""
    with pytest.raises(ConfigError, match="has no source and no stage or sink"):
        Flow("empty").run()
    with pytest.raises(ConfigError) as caught:
        stage(workers=0, pool="fibre", timeout="soon")(plus_one)

    text = str(caught.value)
    assert "expected a whole number >= 1, got 0" in text
    assert "expected one of async, thread, process, got 'fibre'" in text
    assert "expected a duration such as" in text


def test_the_report_prints_as_a_table() -> None:
    """One look says what happened and what to change."""
    report = (Flow("table") | range(10) | plus_one | (lambda number: None)).run()

    lines = str(report).splitlines()
    assert lines[0].startswith(
        "flow table: 10 pulled + 0 extra = 10 delivered + 0 filtered + 0 dead + 0 in flight"
    )
    assert lines[1].split()[:3] == ["stage", "pool", "taken"]
    assert [line.split()[0] for line in lines[2:4]] == ["plus_one", "lambda"]
    assert report.bottleneck in report.stages


def test_a_flow_shows_what_it_is_made_of() -> None:
    """As it was written, for a REPL."""
    rows: list[int] = []
    flow = Flow("shown") | ListSource([1]) | stage(workers=2)(str) | tee(print, []) | rows.append

    assert repr(flow) == "Flow('shown') | ListSource | str | tee | append"


def test_an_error_of_a_run_comes_without_what_has_nothing_to_do_with_it() -> None:
    """Plain code that has no loop running has done nothing wrong by that."""
    with pytest.raises(ConfigError) as caught:
        (Flow("wrong") | [1] | 5).run()

    assert caught.value.__context__ is None
