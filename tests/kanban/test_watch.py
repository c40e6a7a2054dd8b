"""Sleeping until something comes, in a thread and on a loop."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from penstock.kanban._watch import Watch

_NEVER_S = 3600.0


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    (tmp_path / "in").mkdir()
    with closing(Watch([f"{tmp_path}/in"])) as opened:
        yield opened


def come(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    (tmp_path / "new").rename(tmp_path / "in" / "new")


@pytest.mark.parametrize("before", [True, False], ids=["before", "meanwhile"])
def test_a_loop_is_woken_by_a_file_that_comes_before_or_meanwhile(
    tmp_path: Path, watch: Watch, *, before: bool
) -> None:
    async def wait() -> None:
        if before:
            come(tmp_path)
        else:
            asyncio.get_running_loop().call_soon(come, tmp_path)
        await watch.coming(_NEVER_S)

    asyncio.run(wait())


def test_what_has_woken_a_loop_does_not_wake_it_again(tmp_path: Path, watch: Watch) -> None:
    """Else a board at rest would spin."""

    async def wait() -> bool:
        come(tmp_path)
        await watch.coming(_NEVER_S)
        second = asyncio.create_task(watch.coming(_NEVER_S))
        done, _ = await asyncio.wait({second}, timeout=0.05)
        second.cancel()
        return bool(done)

    assert not asyncio.run(wait())


def test_a_loop_waits_no_longer_than_it_is_told(watch: Watch) -> None:
    asyncio.run(watch.coming(0.0))


def test_a_thread_is_woken_by_a_file_and_by_its_own_process(tmp_path: Path, watch: Watch) -> None:
    come(tmp_path)
    watch.wait(_NEVER_S)
    os.write(watch.wake_fd, b"x")
    watch.wait(_NEVER_S)
