"""What every source that can be resumed must do, run over ours and any other."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from penstock.flow import EndOfSource, Message, SeekableSource

T = TypeVar("T")
_COUNT = 25


class SourceConformance:
    """Subclass it in a test module, and supply `make_source`."""

    def make_source(self, count: int) -> SeekableSource[Any]:
        """A source of `count` messages, of which two with the same payload do not matter.

        Called again within one test it must stand for the same place, as after a restart: nothing
        that an earlier source was told may be known to the next one but through `seek`. Called on a
        running loop.
        """
        raise NotImplementedError

    def test_it_gives_everything_once_and_then_says_so_again_and_again(self) -> None:
        """The end is no accident: each further pull gives the same answer."""

        async def scenario() -> None:
            source = self.make_source(_COUNT)
            messages = await _drain(source, 7)
            assert len(messages) == _COUNT
            assert len({message.id for message in messages}) == _COUNT
            for _ in range(2):
                assert await _ended(source)
            await source.aclose()

        _run(scenario)

    def test_it_never_gives_more_than_there_is_room_for(self) -> None:
        """The channel below holds no more."""

        async def scenario() -> None:
            source = self.make_source(_COUNT)
            for demand in (1, 2, 5):
                assert len(await source.pull(demand)) <= demand
            await source.aclose()

        _run(scenario)

    def test_the_messages_of_a_lane_follow_each_other_without_a_gap(self) -> None:
        """A gap would never be settled, and the frontier would stand before it for ever."""

        async def scenario() -> None:
            source = self.make_source(_COUNT)
            for messages in _by_lane(await _drain(source, 4)).values():
                for before, after in pairwise(messages):
                    assert _start(after) == _end(before)
                    assert _end(before) < _end(after)
            await source.aclose()

        _run(scenario)

    def test_a_source_made_anew_gives_the_same_ids_and_offsets(self) -> None:
        """What a sink or a checkpoint remembers must be found again."""

        async def scenario() -> None:
            seen = []
            for demand in (3, 100):
                source = self.make_source(_COUNT)
                messages = await _drain(source, demand)
                seen.append([(message.id, message.offset) for message in messages])
                await source.aclose()
            assert seen[0] == seen[1]
            assert self.make_source(_COUNT).identity == source.identity

        _run(scenario)

    def test_it_goes_on_after_the_frontiers(self) -> None:
        """Wherever they are: at the beginning, in the middle and at the end."""

        async def scenario() -> None:
            whole = await self._given({})
            for count in (1, _COUNT // 2, _COUNT - 1, _COUNT):
                frontiers = {_lane(message): _end(message) for message in whole[:count]}
                rest = await self._given(frontiers)
                passed = {message.id for message in whole[:count]}
                assert [message.id for message in rest] == [
                    message.id for message in whole if message.id not in passed
                ]

        _run(scenario)

    def test_what_comes_first_after_a_seek_starts_at_the_frontier(self) -> None:
        """Else what lies between would count as unsettled for ever."""

        async def scenario() -> None:
            whole = await self._given({})
            frontiers = {_lane(message): _end(message) for message in whole[: _COUNT // 2]}
            for lane, messages in _by_lane(await self._given(frontiers)).items():
                if lane in frontiers:
                    assert _start(messages[0]) == frontiers[lane]

        _run(scenario)

    def test_a_pull_that_is_cancelled_loses_nothing(self) -> None:
        """A drain cancels the pull that waits; what it would have given comes with the next."""

        async def scenario() -> None:
            source = self.make_source(_COUNT)
            messages: list[Message[Any]] = []
            while True:
                pull = asyncio.ensure_future(source.pull(3))
                await asyncio.sleep(0)
                pull.cancel()
                await asyncio.wait([pull])
                if not pull.cancelled():
                    messages += pull.result()
                if await _ended_into(source, messages):
                    break
            assert len(messages) == _COUNT
            await source.aclose()

        _run(scenario)

    def test_acks_in_any_order_and_hands_back_are_taken(self) -> None:
        """The runtime settles what is done first, and hands back the rest at the end."""

        async def scenario() -> None:
            source = self.make_source(_COUNT)
            messages = await _drain(source, 5)
            await source.ack(messages[::-2])
            await source.nack(messages[-2::-2])
            await source.aclose()

        _run(scenario)

    async def _given(self, frontiers: Mapping[str, Any]) -> list[Message[Any]]:
        """What a new source gives after these frontiers, marked by another one."""
        marker, source = self.make_source(_COUNT), self.make_source(_COUNT)
        marks = await marker.marks(frontiers) if frontiers else {}
        await marker.aclose()
        await source.seek({lane: (place, marks[lane]) for lane, place in frontiers.items()})
        messages = await _drain(source, 6)
        await source.aclose()
        return messages


async def _drain(source: SeekableSource[Any], demand: int) -> list[Message[Any]]:
    messages: list[Message[Any]] = []
    while not await _ended_into(source, messages, demand):
        await asyncio.sleep(0)
    return messages


async def _ended_into(
    source: SeekableSource[Any], messages: list[Message[Any]], demand: int = 3
) -> bool:
    """Pull once; whether that was the end."""
    try:
        messages += await source.pull(demand)
    except EndOfSource:
        return True
    return False


async def _ended(source: SeekableSource[Any]) -> bool:
    return await _ended_into(source, [])


def _by_lane(messages: Sequence[Message[Any]]) -> Mapping[str, list[Message[Any]]]:
    lanes = defaultdict(list)
    for message in messages:
        lanes[_lane(message)].append(message)
    return lanes


def _lane(message: Message[Any]) -> str:
    assert message.offset is not None
    return message.offset[0]


def _start(message: Message[Any]) -> Any:
    assert message.offset is not None
    return message.offset[1]


def _end(message: Message[Any]) -> Any:
    assert message.offset is not None
    return message.offset[2]


def _run(scenario: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await asyncio.wait_for(scenario(), 60)

    return asyncio.run(run())
