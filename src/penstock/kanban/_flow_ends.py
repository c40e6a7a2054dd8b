"""A bucket at the end of one flow and at the start of the next."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from penstock.flow import EndOfSource, Message, Sink, Source
from penstock.kanban._bucket import Bucket
from penstock.kanban._channel import as_message, as_token
from penstock.kanban._seat import Claim, Seat

_LOOK_S = 0.02


class BucketSink(Sink[Any]):
    """The end of a flow: each message becomes a token, durable when it is acknowledged.

    A message that comes again while its token is still in the bucket is left alone.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def write(self, messages: Sequence[Message[Any]]) -> None:
        find = self._bucket.places.find
        waiting = [
            as_token(message, message.id) for message in messages if find(message.id) is None
        ]
        while waiting:
            entered = await asyncio.to_thread(self._bucket.put_many, waiting)
            waiting = waiting[entered:]
            if waiting and not entered:
                await asyncio.sleep(_LOOK_S)

    async def flush(self) -> None:
        pass

    async def commit(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class BucketSource(Source[Any]):
    """The start of a flow: each token is a message; acknowledged, it moves on or is removed."""

    def __init__(
        self, bucket: Bucket, worker: str, *, into: Bucket | None = None, once: bool = False
    ) -> None:
        """Open it.

        Args:
            bucket: Where the messages lie.
            worker: Unique among those who read from the bucket.
            into: Where tokens go when their message is acknowledged; by default they end.
            once: End the flow when nothing waits.
        """
        self._into = into
        self._stack = ExitStack()
        self._seat = self._stack.enter_context(Seat(bucket, worker, into=into))
        self._once = once
        self._claims: dict[int, Claim] = {}

    async def pull(self, demand: int) -> Sequence[Message[Any]]:
        while not (claims := self._seat.claim(demand)):
            if self._once:
                raise EndOfSource
            await asyncio.sleep(_LOOK_S)
        messages = [as_message(claim.token) for claim in claims]
        self._claims |= {
            id(message): claim for message, claim in zip(messages, claims, strict=True)
        }
        return messages

    async def ack(self, messages: Sequence[Message[Any]]) -> None:
        for message in messages:
            claim = self._claims.pop(id(message))
            if message.dead:
                self._seat.fail(claim, "the flow made a dead letter of it")
            elif self._into is None:
                self._seat.discard(claim)
            else:
                self._seat.move(claim, claim.token)

    async def nack(self, messages: Sequence[Message[Any]]) -> None:
        for message in messages:
            self._seat.release(self._claims.pop(id(message)))

    async def aclose(self) -> None:
        self._stack.close()
