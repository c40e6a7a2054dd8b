"""A map of the largest size, end to end: paged, each item once, a share of failures allowed."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from penstock.steps import StepFailedError
from penstock.testing._engine_conformance import request, steps
from penstock.workflow import Pipeline, errors, executor, states
from tests.engines.test_embedded import open_engine

ITEMS, PARALLEL = 5_000, 16
BROKEN = list(range(0, ITEMS, 125))


WIDE = Pipeline.build(
    "wide",
    steps=steps(
        each={
            "map": {
                "over": "${{ params.days }}",
                "as": "day",
                "parallel": PARALLEL,
                "allow_failed": "1%",
            }
        },
        report={
            "needs": ["each"],
            "shell": {
                "command": "x",
                "env": {
                    "FAILED": "${{ steps.each.failed_items }}",
                    "DONE": "${{ steps.each.outputs }}",
                },
            },
        },
    ),
    parameters={"days": {"type": "list"}},
)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory without a disk, where there is one: ten thousand waits for a disk prove nothing here."""
    place = Path("/dev/shm")
    with TemporaryDirectory(dir=place if place.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.slow
def test_a_map_of_five_thousand_items_goes_on_with_a_few_failures(memory: Path) -> None:
    """It ends WARNED, a page of it is open at a time, and what follows is told which items failed."""
    begun: Counter[int] = Counter()
    at_work: Counter[str] = Counter()
    followed = []

    async def work(work: executor.Work) -> object:
        if work.ref.step == "report":
            followed.append(work.action["env"])
            return None
        begun[work.ref.item] += 1
        at_work["now"] += 1
        at_work["most"] = max(at_work["most"], at_work["now"])
        await asyncio.sleep(0)
        at_work["now"] -= 1
        if work.ref.item in BROKEN:
            raise StepFailedError(errors.ErrorClass.USER, "no such day")
        return work.ref.item * 2

    async def main() -> None:
        async with open_engine(memory, work) as (engine, _, _), engine.working():
            asked = request(WIDE, days=list(range(ITEMS)))
            run, _ = await engine.submit(asked)
            ended = await asyncio.wait_for(engine.wait("t", run), 60)
            assert ended.state is states.RunState.SUCCEEDED
            each = ended.steps["each"]
            assert (each.state, each.succeeded) == (
                states.StepState.WARNED,
                ITEMS - len(BROKEN),
            )
            assert list(each.failed) == BROKEN
            assert not each.units

    asyncio.run(main())

    assert begun == dict.fromkeys(range(ITEMS), 1)
    assert at_work["most"] <= PARALLEL
    (told,) = followed
    assert told["FAILED"] == BROKEN
    assert [item for item, done in enumerate(told["DONE"]) if done != item * 2] == BROKEN
