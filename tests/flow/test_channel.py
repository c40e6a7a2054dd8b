"""The channel in memory."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.flow import Channel, MemoryChannel, Message
from penstock.flow._message import Mint, sizes_of
from penstock.flow._pack import Pack
from penstock.testing import ChannelConformance


class TestMemoryChannel(ChannelConformance):
    def make_channel(self, capacity: int, capacity_bytes: int) -> Channel[Any]:
        return MemoryChannel("memory", capacity=capacity, capacity_bytes=capacity_bytes)


@given(
    capacity=st.integers(1, 8),
    capacity_bytes=st.integers(1, 64),
    steps=st.lists(
        st.one_of(
            st.integers(0, 40),
            st.none(),
            st.lists(st.integers(0, 20), max_size=5),
            st.tuples(st.integers(1, 8)),
        )
    ),
)
def test_it_behaves_as_a_list_with_two_bounds(capacity, capacity_bytes, steps) -> None:
    """Compared with the plainest model, over puts and gets, of one and of many."""
    channel = MemoryChannel("model", capacity=capacity, capacity_bytes=capacity_bytes)
    model: list[int] = []

    def fits(size: int) -> bool:
        return not model or (len(model) < capacity and sum(model) + size <= capacity_bytes)

    for step in steps:
        if step is None:
            got = channel.get_nowait()
            assert (len(got.payload) if got else None) == (model.pop(0) if model else None)
        elif isinstance(step, tuple):
            taken = [len(message.payload) for message in channel.get_many_nowait(*step)]
            assert taken == model[: step[0]]
            del model[: step[0]]
        elif isinstance(step, int):
            expected = fits(step)
            assert channel.put_nowait(Message(b"x" * step)) == expected
            model += [step] if expected else []
        else:
            sent = channel.put_many_nowait([Message(b"x" * size) for size in step])
            for size in step[:sent]:
                assert fits(size)
                model.append(size)
            assert sent == len(step) or not fits(step[sent])
        assert (channel.count, channel.bytes) == (len(model), sum(model))
        assert len(model) <= capacity
        assert sum(model) <= capacity_bytes or len(model) == 1


def pack_of(sizes: list[int], first: int) -> Pack[bytes]:
    payloads = [b"x" * size for size in sizes]
    ids = range(first, first + len(sizes))
    return Pack(payloads, ids, sizes_of(payloads, set(map(type, payloads))), Mint())


@given(
    capacity=st.integers(1, 8),
    capacity_bytes=st.sampled_from([1, 30, 1 << 20]),
    pack_size=st.integers(0, 4),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "put pack", "put pack", "take", "take many", "take pack"]),
            st.lists(st.integers(0, 20), min_size=1, max_size=6),
        )
    ),
)
def test_packs_are_messages_to_whoever_wants_messages(
    capacity, capacity_bytes, pack_size, steps
) -> None:
    """Of ids and sizes, in their order, within the same bounds, whatever way they come and go."""
    channel = MemoryChannel[bytes]("model", capacity=capacity, capacity_bytes=capacity_bytes)
    channel.pack_size = pack_size
    model: list[tuple[str, int]] = []
    number = 0

    for what, sizes in steps:
        sent = 0
        if what == "put":
            sent = int(channel.put_nowait(Message(b"x" * sizes[0], number)))
        elif what == "put pack":
            sent = channel.put_pack_nowait(pack_of(sizes, number))
            held = [size for _, size in model]
            assert sent or held, "an empty channel takes some of whatever comes"
            if sent < len(sizes):
                assert len(held) + len(sizes) > capacity or sum(held + sizes) > capacity_bytes
        else:
            taken = take(channel, what, len(sizes))
            assert taken == model[: len(taken)]
            assert taken or not model or what == "take pack"
            del model[: len(taken)]
        model += [(str(number + place), size) for place, size in enumerate(sizes[:sent])]
        number += sent
        assert (channel.count, channel.bytes) == (len(model), sum(size for _, size in model))
        assert channel.count <= capacity
        assert channel.bytes <= capacity_bytes or channel.count == 1


def take(channel: MemoryChannel[bytes], what: str, count: int) -> list[tuple[str, int]]:
    if what == "take pack":
        return shown(channel.get_pack_nowait(count).messages()) if channel.packed else []
    if what == "take":
        message = channel.get_nowait()
        messages = [] if message is None else [message]
    else:
        messages = channel.get_many_nowait(count)
    return shown(messages)


def shown(messages: list[Message[bytes]]) -> list[tuple[str, int]]:
    assert all(message.size == len(message.payload) for message in messages)
    return [(message.id, message.size) for message in messages]


def test_the_age_of_the_oldest_pack_stays_that_of_its_messages() -> None:
    """Also where messages are made of it; and their waiting time is measured from when they came."""
    now = 0.0
    channel = MemoryChannel[bytes]("aged", time=lambda: now)
    channel.pack_size = 2
    ages = []
    for _ in range(3):
        now += 1
        channel.put_pack_nowait(pack_of([1, 1], 0))
    now = 10.0
    channel.get_pack_nowait(2)
    ages.append(channel.oldest_age())
    channel.get_nowait()
    ages.append(channel.oldest_age())
    channel.get_nowait()
    ages.append(channel.oldest_age())

    assert ages[:2] == [8.0, 8.0]
    assert 7.0 <= ages[2] <= 8.0, "at most a pack too old"
    assert channel.wait.total >= 9.0


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["put", "put one by one", "take"]), st.integers(1, 200)),
        max_size=40,
    )
)
def test_the_age_of_the_oldest_is_that_of_one_of_sixteen(steps: list[tuple[str, int]]) -> None:
    """However many come at once: never too young, and too old by 16 messages at most."""
    now = 1000.0
    channel = MemoryChannel("aged", capacity=1 << 20, time=lambda: now)
    came: list[float] = []
    taken = 0

    for what, count in steps:
        now += 1
        if what == "take":
            taken += len(channel.get_many_nowait(count))
        elif what == "put":
            channel.put_many_nowait([Message(b"x")] * count)
            came += [now] * count
        else:
            for _ in range(count):
                now += 0.01
                channel.put_nowait(Message(b"x"))
                came.append(now)
        if taken == len(came):
            assert channel.oldest_age() == 0
        else:
            oldest = came[max(0, taken - 16)]
            assert now - came[taken] <= channel.oldest_age() <= now - oldest


def test_waiting_times_are_known_before_all_that_came_at_once_is_taken() -> None:
    now = 0.0
    channel = MemoryChannel("waiting", time=lambda: now)
    channel.put_many_nowait([Message(b"x")] * 500)
    now = 2.0

    channel.get_many_nowait(100)

    assert channel.wait.quantile(0.5) > 1
