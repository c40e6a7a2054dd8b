"""The channel between processes of one machine."""

import asyncio
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.channels import (
    ChannelLostError,
    ChannelTakenError,
    PayloadError,
    ProcessChannel,
    SettlingChannel,
)
from penstock.flow import ChannelClosedError, Message
from penstock.testing import ChannelConformance
from tests.flow import left_behind
from tests.flow.left_behind import nothing_new

ROOT = Path(__file__).parents[2]


@pytest.fixture
def address(tmp_path: Path) -> Path:
    return tmp_path / "channel"


class Leaving(ChannelConformance):
    """Lets go of every channel that a test made."""

    @pytest.fixture(autouse=True)
    def _left(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path
        self.made: list[ProcessChannel[Any]] = []
        with nothing_new():
            yield
            for channel in reversed(self.made):
                channel.leave()
        assert list(tmp_path.iterdir()) == []

    def keep(self, capacity: int, capacity_bytes: int) -> ProcessChannel[Any]:
        address = self.folder / str(len(self.made))
        self.made.append(
            ProcessChannel.keep(address, capacity=capacity, capacity_bytes=capacity_bytes)
        )
        return self.made[-1]


class TestKeptChannel(Leaving):
    def make_channel(self, capacity: int, capacity_bytes: int) -> SettlingChannel[Any]:
        return self.keep(capacity, capacity_bytes)


class TestJoinedChannel(Leaving):
    def make_channel(self, capacity: int, capacity_bytes: int) -> SettlingChannel[Any]:
        kept = self.keep(capacity, capacity_bytes)
        self.made.append(ProcessChannel.join(kept.name))
        return self.made[-1]


def user(*given: object, **options: Any) -> "subprocess.Popen[bytes]":
    """A process that uses a channel."""
    command = [sys.executable, "-m", "tests.channels.users", *map(str, given)]
    return subprocess.Popen(command, cwd=ROOT, **options)


@pytest.mark.slow
@pytest.mark.parametrize("size", [10, 300_000], ids=["small", "in shared memory"])
def test_flows_of_several_programs_share_a_channel(
    address: Path, tmp_path: Path, size: int
) -> None:
    """Two write, two read, none of them keeps it; every row arrives once, and never more wait than may."""
    with nothing_new(), ProcessChannel[Any].keep(address, capacity=5) as channel:
        writers = [user("send", address, first, first + 30, size) for first in (0, 30)]
        readers = [user("consume", address, tmp_path / f"rows{n}") for n in range(2)]
        assert [writer.wait(60) for writer in writers] == [0, 0]
        channel.close()
        assert [reader.wait(60) for reader in readers] == [0, 0]
        told = channel.statistics()

    rows = [int(row) for file in tmp_path.glob("rows*") for row in file.read_text().split()]
    assert sorted(rows) == list(range(60))
    assert told.peak_items <= 5
    assert (told.items, told.in_hand, told.returned) == (0, 0, 0)


@pytest.mark.slow
def test_the_end_of_a_flow_in_one_program_is_the_end_of_a_flow_in_another(
    address: Path, tmp_path: Path
) -> None:
    with ProcessChannel[Any].keep(address, capacity=5) as channel:
        writer, reader = (
            user("produce", address, 40, 10),
            user("consume", address, tmp_path / "rows"),
        )
        assert (writer.wait(60), reader.wait(60)) == (0, 0)
        channel.wait_settled(timeout="1s")

    assert (tmp_path / "rows").read_text().split() == [str(number) for number in range(40)]


@pytest.mark.slow
def test_a_reader_that_is_killed_gives_back_what_it_had_as_one_attempt_more(address: Path) -> None:
    """In its place and its order; also where it lies in shared memory that the dead had mapped."""
    with nothing_new(), ProcessChannel[Any].keep(address) as channel:
        for number in range(5):
            channel.send((number, bytes(300_000)))
        assert user("die", address, 3).wait(60) == -signal.SIGKILL
        taken = [channel.receive(timeout="60s") for _ in range(5)]
        got = [(one.payload[0], one.attempt) for one in taken if one]
        for one in taken:
            channel.settle([one] if one else [])

    # The kernel tells of a death soon, not at once: what had not come back by then comes behind.
    assert sorted(got) == [(0, 2), (1, 2), (2, 2), (3, 1), (4, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("size", [10, 300_000], ids=["small", "in shared memory"])
def test_readers_that_die_one_after_the_other_lose_nothing_and_repeat_only_what_they_held(
    address: Path, tmp_path: Path, size: int
) -> None:
    """While others read and write; what a reader had settled before it died stays settled."""
    with nothing_new(), ProcessChannel[Any].keep(address, capacity=8) as channel:
        writer = user("send", address, 0, 80, size)
        mortal = [
            user("work_and_die", address, tmp_path / f"rows{count}", count)
            for count in (1, 3, 7, 12)
        ]
        assert [reader.wait(60) for reader in mortal] == [-signal.SIGKILL] * 4
        # Until the keeper has heard of the last death: else the end could be reached before it.
        while channel.statistics().returned < 2 * 4:
            threading.Event().wait(0.001)
        last = user("consume", address, tmp_path / "rows")
        assert writer.wait(60) == 0
        channel.close()
        assert last.wait(60) == 0
        channel.wait_settled(timeout="60s")
        told = channel.statistics()

    rows = [int(row) for file in tmp_path.glob("rows*") for row in file.read_text().split()]
    assert sorted(rows) == list(range(80))
    assert told.returned == 2 * 4
    assert told.peak_items <= 8 + 2 * 4


@pytest.mark.slow
def test_a_child_that_was_forked_does_not_hide_the_death_of_its_parent(address: Path) -> None:
    """It has copies of the parent's sockets; what it wants of the channel, it joins for."""
    with ProcessChannel[Any].keep(address) as channel:
        channel.send((0, b""))
        reader = user("fork", address, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert reader.stdout is not None
        told = reader.stdout.readline()
        again = channel.receive(timeout="60s")
        assert reader.stdin is not None
        reader.stdin.write(b"!")
        reader.stdin.close()
        last = channel.receive(timeout="60s")
        reader.wait(60)
        reader.stdout.close()

    assert b"it is the parent's of this fork; join it here" in told
    assert again is not None
    assert (again.payload[0], again.attempt) == (0, 2)
    assert last is not None
    assert last.payload[0] == 1


def test_a_question_that_is_interrupted_is_the_last(address: Path) -> None:
    """A Ctrl-C may come before the answer, which must not be taken for that to the next question."""
    heard: list[bytes] = []

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def keep(listening: socket.socket) -> None:
        """Hear a question, interrupt who asks, and answer nothing."""
        sock, _ = listening.accept()
        with sock, socket.socket(fileno=socket.recv_fds(sock, 1, 1)[1][0]):
            sock.recv(4096)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            heard.append(sock.recv(4096))

    before = signal.signal(signal.SIGUSR1, interrupt)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(address))
        listening.listen()
        keeper = threading.Thread(target=keep, args=(listening,))
        keeper.start()
        try:
            with ProcessChannel[Any].join(address) as guest:
                with pytest.raises(KeyboardInterrupt):
                    guest.receive()
                keeper.join(60)
                with pytest.raises(ChannelLostError, match="a question was interrupted"):
                    guest.receive()
        finally:
            signal.signal(signal.SIGUSR1, before)

    assert heard == [b""]


@pytest.mark.slow
def test_a_keeper_that_is_killed_is_told_to_all_who_wait(address: Path) -> None:
    """And its address can be kept anew."""
    keeper = user("keep", address, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == b"kept\n"
    heard: list[Exception] = []
    with nothing_new(), ProcessChannel[Any].join(address) as channel:
        first = channel.receive(timeout="60s")

        def wait() -> None:
            try:
                channel.receive()
            except ChannelLostError as error:
                heard.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        keeper.communicate(b"!")
        waiting.join(60)
        assert first is not None
        with pytest.raises(ChannelLostError, match=f"no process keeps the channel {address}"):
            channel.settle([first])

    assert [type(error) for error in heard] == [ChannelLostError]
    with ProcessChannel[Any].keep(address) as anew:
        assert anew.statistics().items == 0


def test_a_reader_that_leaves_gives_back_what_it_had_not_attempted(address: Path) -> None:
    with ProcessChannel[Any].keep(address) as channel:
        channel.send("a")
        with ProcessChannel[Any].join(address) as reader:
            assert reader.receive(timeout="60s") is not None
            assert channel.statistics().in_hand == 1
        again = channel.receive(timeout="60s")

    assert again is not None
    assert (again.payload, again.attempt) == ("a", 1)


def test_a_link_that_breaks_within_a_frame_costs_only_what_was_in_hand(address: Path) -> None:
    """A guest may die while it sends; the others never notice."""
    with nothing_new(), ProcessChannel[Any].keep(address) as channel:
        channel.send("a")
        bell, theirs = socket.socketpair()
        with socket.socket(socket.AF_UNIX) as rogue, bell, theirs:
            rogue.connect(str(address))
            socket.send_fds(rogue, [b"!"], [theirs.fileno()])
            rogue.send(b"\x00\x01")
        with ProcessChannel[Any].join(address) as reader:
            got = reader.receive(timeout="60s")

    assert got is not None


def test_large_payloads_cross_without_a_copy_through_the_socket(address: Path) -> None:
    """Their memory is the reader's own: what it does to it is not what comes again."""
    content = bytearray(b"x" * 1_000_000)
    with nothing_new(), ProcessChannel[Any].keep(address) as channel:
        with ProcessChannel[Any].join(address) as guest:
            guest.send(content)
            content[0] = 0
            first = guest.receive(timeout="60s")
            assert first is not None
            first.payload[0] = 1
            guest.hand_back([first])
            second = channel.receive(timeout="60s")
        assert second is not None
        assert second.payload == b"x" * 1_000_000
        channel.settle([second])
        del first, second


def test_a_large_payload_for_which_there_is_no_room_is_not_sent(address: Path) -> None:
    """It would be sent again at each look."""
    with ProcessChannel[Any].keep(address, capacity_bytes=1000) as channel:
        channel.send("here first")
        with ProcessChannel[Any].join(address) as guest:
            before = left_behind.mapped()
            assert not guest.put_nowait(Message(bytes(1_000_000)))
            assert left_behind.mapped() == before
            channel.settle([channel.receive()])  # type: ignore[list-item] # it was put above
            assert guest.put_nowait(Message(bytes(1_000_000)))


def test_what_a_writer_or_a_reader_changes_is_not_what_comes_again(address: Path) -> None:
    """Also of memory that does not travel in the pickle itself, as that of arrays."""
    with ProcessChannel[Any].keep(address) as channel:
        content = bytearray(b"abc")
        channel.send(pickle.PickleBuffer(content))
        content[0] = 0
        first = channel.receive()
        assert first is not None
        first.payload[1] = 1
        channel.hand_back([first])
        second = channel.receive()

    assert second is not None
    assert bytes(second.payload) == b"abc"


def test_what_cannot_travel_is_named_with_the_way_out(address: Path) -> None:
    with ProcessChannel[Any].keep(address) as channel, pytest.raises(PayloadError) as caught:
        channel.send(lambda: None)

    assert "cannot travel through channel" in str(caught.value)
    assert "top level of a module" in str(caught.value)


class Refusing:
    """Travels, and cannot be put together again."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (int, ("no number",))


def test_what_cannot_be_read_stays_in_the_channel(address: Path) -> None:
    """What stands before it can be got; it is an error for each reader that meets it, and an attempt."""
    with ProcessChannel[Any].keep(address) as channel:
        with ProcessChannel[Any].join(address) as guest:
            for payload in ("good", Refusing(), "behind"):
                guest.send(payload)
            assert [one.payload for one in guest.get_many_nowait(3)] == ["good"]
            with pytest.raises(PayloadError, match="invalid literal"):
                guest.receive()
        assert channel.statistics().items == 3


def test_an_address_is_kept_once(address: Path) -> None:
    with ProcessChannel[Any].keep(address):
        with pytest.raises(ChannelTakenError, match="another process keeps one there"):
            ProcessChannel.keep(address)
        assert ProcessChannel[Any].join(address).leave() is None
    assert not address.exists()


def test_an_address_is_removed_also_from_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was given as seen from the one before."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with ProcessChannel[Any].keep("channel"):
        monkeypatch.chdir(tmp_path / "elsewhere")

    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_another_file_is_left_alone(address: Path) -> None:
    address.write_text("mine")

    with pytest.raises(ChannelTakenError, match="or it is another file"):
        ProcessChannel.keep(address)

    assert address.read_text() == "mine"


def test_an_address_that_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChannelTakenError, match="No such file or directory"):
        ProcessChannel.keep(tmp_path / "nowhere" / "channel")
    with pytest.raises(ChannelTakenError, match="path too long"):
        ProcessChannel.keep(tmp_path / ("x" * 200))


def test_nobody_keeps_it(address: Path) -> None:
    with pytest.raises(ChannelLostError, match="start the program that keeps it"):
        ProcessChannel.join(address, wait="0s")


def test_others_wait_until_it_is_kept(address: Path) -> None:
    """Programs start in any order."""
    joined: list[ProcessChannel[Any]] = []
    joining = threading.Thread(
        target=lambda: joined.append(ProcessChannel.join(address, wait="60s"))
    )
    joining.start()
    with ProcessChannel[Any].keep(address) as channel:
        joining.join(60)
        joined[0].send(1)
        got = channel.receive(timeout="60s")
        joined[0].leave()

    assert got is not None


def test_only_this_user_can_join(address: Path) -> None:
    with ProcessChannel[Any].keep(address):
        assert address.stat().st_mode & 0o777 == 0o600


def test_after_the_end_nothing_is_put_from_anywhere(address: Path) -> None:
    with ProcessChannel[Any].keep(address) as channel, ProcessChannel[Any].join(address) as guest:
        guest.close()
        for end in (channel, guest):
            with pytest.raises(ChannelClosedError):
                end.send(1)


def test_who_waits_until_all_is_settled_hears_of_it_from_another_process(address: Path) -> None:
    with ProcessChannel[Any].keep(address) as channel, ProcessChannel[Any].join(address) as guest:
        channel.send(1)
        got = guest.receive(timeout="60s")
        assert got is not None
        with pytest.raises(TimeoutError):
            guest.wait_settled(timeout="1ms")
        done = threading.Event()
        waiting = threading.Thread(target=lambda: (guest.wait_settled(timeout="60s"), done.set()))
        waiting.start()
        guest.settle([got])
        waiting.join(60)
        assert done.is_set()
        channel.wait_settled(timeout="60s")


def test_tasks_of_the_keeper_and_of_a_guest_wait_for_each_other(address: Path) -> None:
    """On one loop: neither side may block it while it waits."""

    async def scenario() -> list[int]:
        kept = ProcessChannel[int].keep(address, capacity=1)
        with kept, ProcessChannel[int].join(address) as guest:

            async def write() -> None:
                for number in range(50):
                    await (kept if number % 2 else guest).put(Message(number))
                kept.close()

            writing = asyncio.create_task(write())
            got = []
            while (message := await guest.get()) is not None:
                got.append(message.payload)
                guest.settle([message])
            await writing
        return got

    assert asyncio.run(scenario()) == list(range(50))
