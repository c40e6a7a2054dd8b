"""Three stages of streamz with buffers between them; it takes plain functions only."""

import asyncio

from streamz import Stream

from benchmarks.flow_work import CAPACITY, add_one, per_message


async def _three_stages(messages: int) -> int:
    out: list[int] = []
    done = asyncio.Event()

    def sink(number: int) -> None:
        out.append(number)
        if len(out) == messages:
            done.set()

    source = Stream(asynchronous=True)
    made = source
    for _ in range(3):
        made = made.buffer(CAPACITY).map(add_one)
    made.sink(sink)
    for number in range(messages):
        await source.emit(number)
    await done.wait()
    return len(out)


def three_async(messages: int) -> float:
    """Seconds per message."""
    return per_message(messages, lambda: asyncio.run(_three_stages(messages)))
