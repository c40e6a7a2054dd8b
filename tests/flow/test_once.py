"""`ctx`: what a function may know of its call, and effects that are done once."""

import asyncio
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from penstock import Flow, RetryPolicy, stage
from penstock.flow import Context
from tests.flow import process_stages as work

SOON = RetryPolicy(maximum_attempts=3, initial_interval="0s", maximum_interval="0s")
POOLS = ["async", "thread", pytest.param("process", marks=pytest.mark.slow)]
ROOT = Path(__file__).parents[2]


def context(directory: Path, stage: str = "stage") -> Context:
    return Context("flow", stage, ("0",), 1, str(directory))


def charged(folder: Path) -> list[str]:
    return (folder / "charged").read_text().splitlines()


@pytest.mark.parametrize("pool", POOLS)
def test_a_function_that_names_ctx_is_given_it_in_every_pool(pool: Any, tmp_path: Path) -> None:
    """One by one, as a generator, streaming, and in batches."""
    rows: list[Any] = []
    flow = Flow("look", once=tmp_path) | [7, 8]

    (flow | stage(pool=pool)(work.look) | rows.append).run()
    (flow | stage(pool=pool)(work.look_at_each) | rows.append).run()
    (flow | stage(pool=pool, streaming=True)(work.look_at_each) | rows.append).run()
    items = [(number, str(tmp_path)) for number in range(3)]
    batched = stage(pool=pool, batch=3)(work.charge_all)
    (Flow("all", once=tmp_path) | items | batched | rows.append).run()

    assert rows[:2] == [("look", "look", "0", 1), ("look", "look", "1", 1)]
    assert rows[2:] == ["0", "1", "0", "1", "0", "1", "2"]
    assert charged(tmp_path) == ["0"]


def test_an_effect_is_done_once_over_attempts_and_runs(tmp_path: Path) -> None:
    """What failed after it does not bring it about again, nor does the next run."""
    effects: list[str] = []
    attempts: list[int] = []

    @stage(retry=SOON)
    async def charge(number: int, ctx: Context) -> int:
        attempts.append(ctx.attempt)
        async with ctx.once(f"charge/{number}") as first:
            if first:
                effects.append(ctx.message_id)
        if ctx.attempt < 3:
            raise OSError("later")
        return number

    flow = Flow("charge", once=tmp_path) | range(2) | charge | (lambda _: None)
    for _ in range(2):
        assert flow.run().delivered == 2

    assert effects == ["0", "1"]
    assert sorted(attempts) == sorted([1, 2, 3] * 4)


def test_an_effect_that_fails_is_not_done(tmp_path: Path) -> None:
    """Nor one that was cancelled: the block did not end."""
    ctx = context(tmp_path)

    with pytest.raises(OSError, match="no"), ctx.once("key"):
        raise OSError("no")

    with ctx.once("key") as first:
        assert first
    with ctx.once("key") as first:
        assert not first
    assert list((tmp_path / "open").iterdir()) == []


def test_keys_belong_to_a_stage_of_a_flow(tmp_path: Path) -> None:
    """Two stages may use one key for two effects."""
    for name in ("one", "two"):
        with context(tmp_path, name).once("key") as first:
            assert first


class Effect:
    """Counts how often it was brought about, and sees two at it at one time."""

    def __init__(self, folder: Path) -> None:
        self.ctx = context(folder)
        self.times = 0
        self.inside = 0

    def hold(self) -> None:
        with self.ctx.once("key") as first:
            self._bring_about(first)

    async def hold_async(self) -> None:
        async with self.ctx.once("key") as first:
            self.inside += first
            await asyncio.sleep(0)
            self.inside -= first
            self._bring_about(first)

    async def hold_often(self) -> None:
        await asyncio.gather(*(self.hold_async() for _ in range(4)))

    def _bring_about(self, first: bool) -> None:
        assert not self.inside
        self.times += first


def test_whoever_comes_second_waits_for_the_first(tmp_path: Path) -> None:
    """Two messages with one key bring about one effect, however they are timed, over threads and tasks."""
    for number in range(8):
        effect = Effect(tmp_path / str(number))
        threads = [threading.Thread(target=effect.hold) for _ in range(4)]

        for thread in threads:
            thread.start()
        asyncio.run(effect.hold_often())
        for thread in threads:
            thread.join(60)

        assert effect.times == 1


def test_whoever_waited_for_one_that_gave_up_holds_what_others_wait_for(tmp_path: Path) -> None:
    """Its file was removed meanwhile: a lock on what nobody finds any more would keep nobody out."""
    found: list[list[str]] = []

    def second() -> None:
        with context(tmp_path).once("key"):
            found.append([path.name for path in (tmp_path / "open").iterdir()])

    def first() -> None:
        with context(tmp_path).once("key"):
            thread.start()
            while opened(tmp_path) < 2:
                pass
            raise OSError("no")

    thread = threading.Thread(target=second)
    with pytest.raises(OSError, match="no"):
        first()
    thread.join(60)

    assert [len(names) for names in found] == [1]


def opened(folder: Path) -> int:
    """How many descriptors of this process are of lock files in `folder`."""
    links = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            links.append(str(handle.readlink()))
    return sum(link.startswith(f"{folder}/open/") for link in links)


def test_without_a_directory_effects_are_remembered_for_the_run(tmp_path: Path) -> None:
    """And nothing is left behind."""
    seen: list[str] = []
    effects: list[int] = []

    @stage(workers=3)
    def charge(number: int, ctx: Context) -> None:
        seen.append(ctx.directory)
        with ctx.once("the only key") as first:
            if first:
                effects.append(number)

    for _ in range(2):
        (Flow("charge") | range(9) | charge).run()

    assert len(effects) == 2
    assert len(set(seen)) == 2
    assert not any(Path(directory).exists() for directory in seen)


@pytest.mark.slow
@pytest.mark.parametrize(("where", "times"), [("behind", 1), ("within", 2)])
def test_a_worker_that_is_killed_repeats_no_effect_that_was_done(
    tmp_path: Path, where: str, times: int
) -> None:
    """Done before its death: once. Killed within the block nobody can know: at least once."""
    items = [(number, str(tmp_path), where) for number in range(6)]
    rows: list[int] = []

    made = stage(pool="process", workers=2)(work.charge_and_die)
    (Flow("charge", once=tmp_path / "once") | items | made | rows.append).run()

    assert sorted(rows) == list(range(6))
    lines = [line.split()[0] for line in charged(tmp_path)]
    assert [lines.count(str(number)) for number in range(6)] == [1, 1, 1, times, 1, 1]


PROGRAM = """
import os, signal, sys
from penstock import Flow, stage
from penstock.flow import Context

folder, deadly = sys.argv[1], int(sys.argv[2])

@stage(pool=sys.argv[3])
def charge(number: int, ctx: Context) -> int:
    with ctx.once(str(number)) as first:
        if first:
            with open(f"{folder}/charged", "a") as file:
                file.write(f"{number}\\n")
    if first and number == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

(Flow("charge", once=f"{folder}/once") | range(8) | charge | (lambda _: None)).run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["async", "thread"])
def test_a_program_that_is_killed_and_run_again_repeats_no_effect(
    tmp_path: Path, pool: str
) -> None:
    """It is killed after the effect of one message and of another; every restart begins anew."""
    for deadly in (0, 3, 7, -1):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, tmp_path, str(deadly), pool], cwd=ROOT, check=False
        )
        assert done.returncode == (-signal.SIGKILL if deadly >= 0 else 0)

    assert sorted(charged(tmp_path)) == [str(number) for number in range(8)]


DYING = """
import os, signal, sys
from penstock.flow import Context

with Context("flow", "stage", ("0",), 1, sys.argv[1]).once("key"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_nobody_waits_for_the_dead(tmp_path: Path) -> None:
    """The file of its lock is still there, and the lock is free."""
    subprocess.run([sys.executable, "-c", DYING, tmp_path], cwd=ROOT, check=False)

    assert len(list((tmp_path / "open").iterdir())) == 1
    with context(tmp_path).once("key") as first:
        assert first
