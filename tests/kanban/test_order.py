"""Which token is next, seen from the list of those that wait."""

import os
from pathlib import Path

import pytest

from penstock.kanban._order import Order
from penstock.kanban._places import Places
from tests.kanban.boards import make_bucket

KEPT = 16_384


@pytest.mark.slow
def test_of_more_tokens_than_are_kept_in_mind_the_oldest_come_first(tmp_path: Path) -> None:
    """A directory of a million is never in memory as a whole, and nothing in it is forgotten."""
    make_bucket(tmp_path / "in")
    count = KEPT + 100
    for number in range(count):
        path = tmp_path / "in" / f"{number}.json"
        path.touch()
        os.utime(path, (1e9 - number, 1e9 - number))
    order = Order(Places(str(tmp_path / "in")), seed="w")

    order.begin(2e9)
    first = [found.name for _ in range(KEPT) if (found := order.next())]
    order.begin(2e9)
    again = order.next()

    assert first == [f"{number}.json" for number in range(count - 1, count - 1 - KEPT, -1)]
    assert again is not None
    assert again.name == first[0]  # the directory is read again: nobody has taken it


def test_a_delayed_token_comes_up_at_its_moment_though_nothing_in_its_directory_changes(
    tmp_path: Path,
) -> None:
    """Within the two seconds in which a directory is not read again without a reason."""
    make_bucket(tmp_path / "in")
    path = tmp_path / "in" / "delayed" / "b1.json"
    path.touch()
    os.utime(path, (3e9, 3e9))
    os.utime(path.parent, (1e9, 1e9))
    order = Order(Places(str(tmp_path / "in")), seed="w")

    order.begin(3e9 - 1)
    before = order.next()
    due = order.next_due()
    order.begin(3e9 + 0.5)
    found = order.next()

    assert (before, due) == (None, 3e9)
    assert found is not None
    assert found.name == "b1.json"
