"""The channel in memory."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.flow import Channel, MemoryChannel, Message
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
        assert (len(channel.items), channel.bytes) == (len(model), sum(model))
        assert len(model) <= capacity
        assert sum(model) <= capacity_bytes or len(model) == 1
