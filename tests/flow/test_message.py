"""Messages are used again: nothing of an earlier one may show in a later one."""

import weakref
from collections import Counter

from penstock import Flow, RetryPolicy, stage
from penstock.flow._message import Mint


class Payload:
    """Something that can be seen to go."""


def test_a_used_message_has_its_own_id_size_and_payload() -> None:
    """What is left of the message before would be acknowledged, weighed or worked on twice."""
    mint = Mint()
    first = mint.wrap(["one", "three"], range(2))
    first[0].annotate().attempt = 7
    mint.take_back(first)

    none = mint.wrap([], [])
    again = mint.wrap([b"longer", 4, 5], range(2, 5))
    more = mint.wrap([6], [5])

    assert none == []
    assert len({id(message) for message in [*again, *more]}) == 4
    assert {id(message) for message in first} < {id(message) for message in again}
    assert [message.id for message in again] == ["2", "3", "4"]
    assert [message.payload for message in again] == [b"longer", 4, 5]
    assert [message.size for message in again] == [6, 28, 28]
    assert [message.attempt for message in again] == [1, 1, 1]


def test_a_message_that_waits_to_be_used_again_holds_no_payload() -> None:
    """Payloads are large; they end with their delivery."""
    mint, payload = Mint(), Payload()
    gone = weakref.ref(payload)
    messages = mint.wrap([payload], [0])

    mint.take_back(messages)
    del payload

    assert gone() is None


def test_every_message_begins_with_its_first_attempt() -> None:
    """Those before it in the same object may have needed more."""
    tries: Counter[int] = Counter()
    out: list[int] = []

    @stage(batch=2, retry=RetryPolicy(maximum_attempts=2, initial_interval="0s"))
    def fails_once_alone(numbers: list[int]) -> None:
        if len(numbers) > 1:
            raise OSError("one by one, please")
        tries.update(numbers)
        if tries[numbers[0]] == 1:
            raise OSError("once more, please")
        out.extend(numbers)

    report = (Flow("used again", capacity=4) | range(64) | fails_once_alone).run()

    assert list(report.dead_letters) == []
    assert sorted(out) == list(range(64))


def test_a_message_in_a_tree_is_not_used_again_before_its_root() -> None:
    """Leaves share what they were made of."""
    seen: list[int] = []

    @stage(batch=3)
    def see(numbers: list[int]) -> None:
        seen.extend(numbers)

    def twice(number: int):
        yield number
        yield -number

    report = (Flow("trees", capacity=4) | range(1, 65) | twice | see).run()

    assert report.acked == 64
    assert sorted(seen) == sorted([*range(1, 65), *range(-64, 0)])
