"""What other processes do with a channel, for the tests: `python -m tests.channels.users VERB ADDRESS ...`."""

import os
import signal
import sys
from pathlib import Path

from penstock import Flow
from penstock.channels import ChannelLostError, ChannelSink, ChannelSource, ProcessChannel
from penstock.flow import stage

Row = tuple[int, bytes]


def send(address: str, first: int, last: int, size: int) -> None:
    """Put rows, plainly."""
    with ProcessChannel[Row].join(address) as channel:
        for number in range(first, last):
            channel.send((number, bytes([number % 256]) * size))


def produce(address: str, last: int, size: int) -> None:
    """Put rows, by a flow."""
    with ProcessChannel[Row].join(address) as channel:
        rows = ((number, bytes([number % 256]) * size) for number in range(last))
        (Flow("producer") | rows | ChannelSink(channel)).run()
        channel.close()


def consume(address: str, into: str) -> None:
    """Note what comes, by a flow."""

    @stage(sink=True)
    def note(row: Row) -> None:
        number, content = row
        assert set(content) <= {number % 256}
        with Path(into).open("a") as file:
            file.write(f"{number}\n")

    with ProcessChannel[Row].join(address) as channel:
        (Flow("consumer") | ChannelSource(channel) | note).run()


def die(address: str, count: int) -> None:
    """Take so many, and be killed with them in hand."""
    with ProcessChannel[Row].join(address) as channel:
        taken = [channel.receive() for _ in range(count)]
        assert len(taken) == count
        os.kill(os.getpid(), signal.SIGKILL)


def work_and_die(address: str, into: str, count: int) -> None:
    """Note and settle so many, take two more, and be killed with these."""
    with ProcessChannel[Row].join(address) as channel, Path(into).open("a") as file:
        for _ in range(count):
            message = channel.receive()
            assert message is not None
            file.write(f"{message.payload[0]}\n")
            file.flush()
            channel.settle([message])
        taken = [channel.receive(), channel.receive()]
        assert None not in taken
        os.kill(os.getpid(), signal.SIGKILL)


def fork(address: str) -> None:
    """Take one, fork, and be killed with it in hand, while the child goes on until it is told."""
    channel = ProcessChannel[Row].join(address)
    assert channel.receive() is not None
    if os.fork():
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        channel.receive()
    except ChannelLostError as error:
        sys.stdout.write(f"{error}\n")
        sys.stdout.flush()
    sys.stdin.read(1)
    with ProcessChannel[Row].join(address) as anew:
        anew.send((1, b""))
    os._exit(0)


def keep(address: str) -> None:
    """Keep a channel with one row in it, say so, and be killed."""
    channel = ProcessChannel[Row].keep(address)
    channel.send((0, b""))
    sys.stdout.write("kept\n")
    sys.stdout.flush()
    sys.stdin.read(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    verb, address, *given = sys.argv[1:]
    {
        "send": send,
        "produce": produce,
        "consume": consume,
        "die": die,
        "keep": keep,
        "fork": fork,
        "work_and_die": work_and_die,
    }[verb](
        address,
        *(int(one) if one.isdecimal() else one for one in given),  # type: ignore[arg-type] # as the tests say
    )
