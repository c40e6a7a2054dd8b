"""Three async stages as operators of aiostream, one call of each at a time, as in the others."""

import asyncio
from typing import Any

from aiostream import pipe, stream

from benchmarks.flow_work import add_one_async, per_message


async def _three_stages(messages: int) -> int:
    add: Any = add_one_async  # its types say that maps take several sources
    made: Any = stream.range(messages)
    for _ in range(3):
        made |= pipe.map(add, task_limit=1)
    return len(await stream.list(made))


def three_async(messages: int) -> float:
    """Seconds per message."""
    return per_message(messages, lambda: asyncio.run(_three_stages(messages)))
