"""Work that leaves the loop, in chunks: how large they are, what is done with one, what comes back."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from types import GeneratorType
from typing import Any, Protocol

from msgspec import Struct, field

from penstock.base import Value
from penstock.flow._errors import StageCancelledError, TooManyOutputsError

_AHEAD = 0.002
"""Seconds of work that a worker may have before it, so that it never waits for the loop."""
_QUICK, _SLOW = 0.01, 0.04
"""Seconds of a chunk, below which it may be larger, and above which it must be smaller."""
_LONG = 0.04
"""Seconds of a chunk behind which none is sent: the next worker that is free may have it sooner."""
_MOST_AHEAD = 64
_MOST_BYTES = 256 * 1024


class Answer(Struct):
    """What became of a chunk: one result per payload, and the errors by place."""

    results: list[Any]
    failures: dict[int, Exception] = field(default_factory=dict)
    expanded: bool = False
    seconds: float = 0.0
    suspects: int = 0
    """Above 0: nothing was begun, and it may be the fault of any message of that many chunks; of one in a
    chunk of its own it is."""

    computed: float = 0.0
    """Seconds of a thread on the processor, where that is measured."""


class Task(Value):
    """How a worker outside the loop calls the function."""

    stage: str
    expands: bool
    limit: int


class Progress(Protocol):
    """Where a worker notes the place of the message in hand: a list, or shared memory."""

    def __setitem__(self, place: int, value: int, /) -> None:
        """Note it."""
        ...


class Stride:
    """How much a worker is handed, by its pace: one by one while messages take long, many while they are quick."""

    def __init__(self, most: int, workers: int, room: int) -> None:
        """Begin with one by one.

        Args:
            most: Messages in a chunk.
            workers: Those of the stage.
            room: Messages that may be with all of them at a time; each has one chunk at least.
        """
        self._most = most
        self._workers = workers
        self._room = room // workers
        self._size = 1
        self._pace: float | None = None

    def size(self, waiting: int) -> int:
        """How many messages make a chunk now: never so many that other workers are left without."""
        return max(1, min(self._size, self.share(waiting)))

    def share(self, waiting: int) -> int:
        """What is one worker's of that many."""
        return -(-waiting // self._workers)

    @property
    def ahead(self) -> int:
        """How many chunks a worker may have at a time; one until its pace is known, and while that is slow."""
        if self._pace is None or self._pace * self._size > _LONG:
            return 1
        often = 2 + int(_AHEAD / max(self._pace * self._size, 1e-9))
        return max(1, min(often, _MOST_AHEAD, self._room // self._size))

    def more(self, under_way: int, waiting: int, weight: int) -> int:
        """How many messages to send to a worker that has `under_way` chunks.

        They are sent many at a time, when half of what it may have is done; heavy ones not ahead.

        Args:
            under_way: Chunks that are not answered.
            waiting: Messages that could be sent.
            weight: Bytes of a message on its way, as far as known.
        """
        size, ahead = self.size(waiting), self.ahead
        if weight:
            ahead = min(ahead, max(1, _MOST_BYTES // (weight * size)))
        if not waiting or under_way > ahead // 2 or under_way >= ahead:
            return 0
        most = min(size * (ahead - under_way), self.share(waiting))
        return most if under_way else max(most, size)

    def learn(self, count: int, seconds: float) -> None:
        """A chunk of `count` took `seconds`."""
        self._pace = seconds / count
        if count >= self._size and seconds < _QUICK:
            self._size = min(self._size * 2, self._most)
        elif seconds > _SLOW:
            self._size = max(1, int(count * _QUICK / seconds))


def run_chunk(
    function: Callable[[Any], Any],
    payloads: list[Any],
    task: Task,
    progress: Progress,
) -> Answer:
    """Call the function for each payload; an error costs its own message only."""
    answer = Answer([])
    results, append = answer.results, answer.results.append
    remaining = iter(payloads)
    while len(results) < len(payloads):
        try:
            if task.expands:
                _expand_each(function, remaining, task, answer, progress)
            else:
                for payload in remaining:
                    progress[0] = len(results)
                    append(function(payload))
        except Exception as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
            answer.failures[len(results)] = error
            append(None)
    if not task.expands and GeneratorType in set(map(type, results)):
        _expand_made(answer, task)
    answer.expanded = answer.expanded or task.expands
    return answer


def run_batch(function: Callable[[Any], Any], batch: Any, task: Task) -> Answer:
    """Call the function once; its result, or its error, stands at place 0."""
    try:
        made = function(batch)
        return Answer([listed(made, task) if task.expands else made])
    except Exception as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
        return Answer([None], {0: error})
    except asyncio.CancelledError:
        return Answer([None], {0: StageCancelledError(task.stage)})


def _expand_each(
    function: Callable[[Any], Any],
    payloads: Iterator[Any],
    task: Task,
    answer: Answer,
    progress: Progress,
) -> None:
    for payload in payloads:
        progress[0] = len(answer.results)
        answer.results.append(listed(function(payload), task))


def _expand_made(answer: Answer, task: Task) -> None:
    """The function is no generator, but returned generators: a one to many stage all the same."""
    answer.expanded = True
    for place, result in enumerate(answer.results):
        try:
            answer.results[place] = (
                listed(result, task) if type(result) is GeneratorType else [result]
            )
        except Exception as error:  # noqa: BLE001 - as above
            answer.failures[place] = error


def listed(results: Any, task: Task) -> list[Any]:
    """All outputs of one attempt, as far as they may be held back.

    Raises:
        TooManyOutputsError: There are more.
    """
    made = list(islice(results, task.limit + 1))
    if len(made) > task.limit:
        raise TooManyOutputsError(task.stage, task.limit)
    return made
