"""Frames between processes."""

import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from penstock.process import (
    SHARED_FROM,
    Frame,
    FrameReader,
    Segments,
    receive_blocking,
    send_blocking,
)

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


def large(byte: bytes) -> pickle.PickleBuffer:
    return pickle.PickleBuffer(byte * SHARED_FROM)


def test_shared_memory_is_used_again_when_nothing_is_left_of_what_was_in_it(pair: Pair) -> None:
    """New pages cost several times what the copy does."""
    ours, theirs = pair
    reader, segments = FrameReader(), Segments()
    for byte in (b"a", b"b", b"c"):
        send_blocking(ours, Frame(large(byte), segments))
        assert bytes(receive_blocking(theirs, reader)) == byte * SHARED_FROM

    assert segments.kept == 1
    segments.close()


def test_what_somebody_still_looks_at_is_not_overwritten(pair: Pair) -> None:
    """A slice of an array keeps it as well as the array does; when all are taken, there is other memory."""
    ours, theirs = pair
    reader, segments = FrameReader(), Segments()
    held = []
    for number in range(10):
        send_blocking(ours, Frame(large(bytes([number])), segments))
        held.append(receive_blocking(theirs, reader)[-3:])

    assert [bytes(part) for part in held] == [bytes([number]) * 3 for number in range(10)]
    assert segments.kept == 4
    held.clear()
    send_blocking(ours, Frame(large(b"x"), segments))
    assert bytes(receive_blocking(theirs, reader)[:1]) == b"x"
    assert segments.kept == 4


def test_a_frame_that_was_not_sent_gives_its_memory_back() -> None:
    """A worker that is gone takes nothing, and what is meant for its successor needs room."""
    segments = Segments()
    for _ in range(10):
        Frame(large(b"x"), segments).close()

    assert segments.kept == 1


def test_segments_are_bounded_in_bytes_too(pair: Pair) -> None:
    """They stay as long as the worker does, whatever comes after the large ones."""
    ours, theirs = pair
    reader, segments = FrameReader(), Segments()
    huge = bytes(33 << 20)
    send_blocking(ours, Frame(huge, segments))

    assert receive_blocking(theirs, reader) == huge
    assert segments.kept == 0


FORKS = """
import os, pickle, socket
from penstock.process import SHARED_FROM, Frame, FrameReader, Segments, receive_blocking, send_blocking

ours, theirs = socket.socketpair()
reader, segments = FrameReader(), Segments()
for dropped_by_child in (True, False):
    send_blocking(ours, Frame(pickle.PickleBuffer(b"first" + bytes(SHARED_FROM)), segments))
    view = receive_blocking(theirs, reader)
    (asked, ask), (told, tell) = os.pipe(), os.pipe()
    if os.fork() == 0:
        if dropped_by_child:
            del view
            os._exit(0)
        os.read(asked, 1)
        os._exit(0 if bytes(view[:5]) == b"first" else 1)
    if dropped_by_child:
        os.wait()
    else:
        del view
    send_blocking(ours, Frame(pickle.PickleBuffer(b"other" + bytes(SHARED_FROM)), segments))
    receive_blocking(theirs, reader)
    if dropped_by_child:
        assert bytes(view[:5]) == b"first", "the child gave back what its parent looks at"
    else:
        os.write(ask, b"x")
        assert os.wait()[1] == 0, "the parent gave back what its child looks at"
"""


@pytest.mark.slow
def test_what_a_process_and_its_fork_both_look_at_is_never_given_back() -> None:
    """Either may be the last; neither can know."""
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=60)
