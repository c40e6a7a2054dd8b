"""Filters and orchestrators that are killed while they work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kanban.killing import Killing


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_kill_loses_or_doubles_a_token(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    killing = Killing(tmp_path, tokens=2000, seed=1)
    killing.prepare()

    killing.run(kills=40)

    killing.check()
    assert killing.kills.total() >= 40
    record_property("kills", dict(killing.kills))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_kill_of_many_loses_or_doubles_a_token(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    killing = Killing(tmp_path, tokens=20_000, seed=2)
    killing.prepare()

    killing.run(kills=200)

    killing.check()
    assert killing.kills.total() >= 200
    record_property("kills", killing.kills.total())
