"""Three async stages joined by anyio's memory object streams."""

from itertools import pairwise

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from benchmarks.flow_work import CAPACITY, add_one_async, per_message


async def _three_stages(messages: int) -> int:
    streams = [anyio.create_memory_object_stream[int](CAPACITY) for _ in range(4)]
    out: list[int] = []

    async def source(below: ObjectSendStream[int]) -> None:
        async with below:
            for number in range(messages):
                await below.send(number)

    async def worker(above: ObjectReceiveStream[int], below: ObjectSendStream[int]) -> None:
        async with above, below:
            async for number in above:
                await below.send(await add_one_async(number))

    async def sink(above: ObjectReceiveStream[int]) -> None:
        async with above:
            out.extend([number async for number in above])

    async with anyio.create_task_group() as group:
        group.start_soon(source, streams[0][0])
        for above, below in pairwise(streams):
            group.start_soon(worker, above[1], below[0])
        group.start_soon(sink, streams[3][1])
    return len(out)


def three_async(messages: int) -> float:
    """Seconds per message."""
    return per_message(messages, lambda: anyio.run(_three_stages, messages))
