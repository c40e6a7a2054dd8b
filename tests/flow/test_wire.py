"""Frames between processes."""

import pickle
import socket
from collections.abc import Iterator

import pytest

from penstock.flow._wire import SHARED_FROM, Frame, FrameReader, receive_blocking, send_blocking

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        yield ours, theirs


@pytest.mark.parametrize("size", [0, 1, SHARED_FROM - 64, SHARED_FROM, 3 * SHARED_FROM])
def test_what_was_sent_comes_back_in_order(pair: Pair, size: int) -> None:
    """Below and above the size at which shared memory takes over, one after the other."""
    ours, theirs = pair
    reader = FrameReader()
    for number in range(3):
        send_blocking(ours, Frame((number, b"x" * size)))
        assert receive_blocking(theirs, reader) == (number, b"x" * size)


def test_many_frames_in_one_read_are_told_apart(pair: Pair) -> None:
    """A quick sender fills the socket before the reader looks."""
    ours, theirs = pair
    reader = FrameReader()
    for number in range(1000):
        send_blocking(ours, Frame(number))

    assert [receive_blocking(theirs, reader) for _ in range(1000)] == list(range(1000))


def test_a_buffer_that_travels_beside_the_pickle_is_not_overwritten_by_the_next_frame(
    pair: Pair,
) -> None:
    """Arrays refer to the memory they came in, and live longer than the reader's own buffer does."""
    ours, theirs = pair
    reader = FrameReader()
    send_blocking(ours, Frame(pickle.PickleBuffer(b"first")))
    first = receive_blocking(theirs, reader)
    send_blocking(ours, Frame(pickle.PickleBuffer(b"other")))
    receive_blocking(theirs, reader)

    assert bytes(first) == b"first"


def test_the_end_of_the_stream_is_told(pair: Pair) -> None:
    """Whoever waits must hear that the other end is gone."""
    ours, theirs = pair
    ours.close()

    with pytest.raises(EOFError):
        receive_blocking(theirs, FrameReader())
