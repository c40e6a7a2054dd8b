"""A stop is never worse than a crash, and an idle program is idle."""

import asyncio
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from penstock import ingest
from tests.ingest.workplace import Workplace
from tests.reliability.followers import following, pipeline_of

pytestmark = pytest.mark.slow
_PROGRAM = [sys.executable, "-c", "from penstock.cli import main; main()"]
_FILES = 24


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def stopped(place: Workplace, *options: str, point: str, signals: list[signal.Signals]) -> int:
    """Start the program, send the signals when its second plan is in hand, each when the one before is heard."""
    child = subprocess.Popen(
        [*_PROGRAM, "run", str(place.config), "--output", "json", *options],
        env={**os.environ, "PENSTOCK_FAILPOINTS": point},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    told = map(json.loads, child.stderr)
    assert any(line.get("plan") == 2 for line in told)
    for number in signals:
        child.send_signal(number)
        assert number is signals[-1] or any("signal" in line for line in told)
    child.communicate(timeout=60)
    return child.returncode


@pytest.mark.case("i-c")
@pytest.mark.parametrize(
    ("options", "point", "signals", "code"),
    [
        ((), "plan.written@0=wait:1", [signal.SIGTERM], 0),
        (("--once",), "plan.written@0=wait:1", [signal.SIGTERM], 143),
        ((), "seal.before@2=wait:600", [signal.SIGTERM, signal.SIGINT], 143),
    ],
    ids=["a follower", "a run with an end", "two signals"],
)
def test_an_orderly_stop_half_way_loses_and_doubles_nothing(
    place: Workplace,
    options: tuple[str, ...],
    point: str,
    signals: list[signal.Signals],
    code: int,
) -> None:
    """What was begun is finished, or left as a crash leaves it; only a follower that was stopped has exit code 0."""
    for number in range(_FILES):
        place.put(f"{number:02}.ndjson.gz", range(number * 50, number * 50 + 50), "nonsense")

    assert stopped(place, *options, point=point, signals=signals) == code

    before = place.rows()
    assert 0 < len(before) < _FILES * 50
    assert before == sorted(set(before))
    assert ingest.run(place.config).exit_code == 0
    assert place.rows() == list(range(_FILES * 50))
    assert len(list(ingest.dead_letters(place.config))) == _FILES


class CountingSelector(selectors.DefaultSelector):
    """Counts how often the loop looks for something to do."""

    looks = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.looks += 1
        return super().select(timeout)


def looks_of(work: Coroutine[Any, Any, None]) -> int:
    """How often a loop wakes up while it does the work."""
    selector = CountingSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(work)
    return selector.looks


@pytest.mark.case("busy")
def test_an_idle_follower_wakes_up_for_its_polls_only(place: Workplace) -> None:
    """A score of wake-ups per poll at most: the pause, its thread's answer, and no loop that asks in between."""

    async def idle() -> None:
        async with following(place):
            await asyncio.sleep(0.5)

    polls = 0.5 / 0.05
    assert looks_of(idle()) < 50 + 20 * polls


@pytest.mark.case("busy")
def test_the_loop_sleeps_while_the_last_file_is_decoded(place: Workplace) -> None:
    """One large file beside small ones: wake-ups are counted per file, not per moment."""
    place.configure(max_files=9)
    place.put("0-large.ndjson.gz", range(8000))
    for number in range(8):
        place.put(f"{number}.ndjson.gz", [-number])

    async def take() -> None:
        pipeline, _ = pipeline_of(place, once=True)
        await pipeline.run()

    assert looks_of(take()) < 300
    assert len(place.rows()) == 8008
