"""A bucket as a channel."""

import asyncio
import base64
from collections import deque
from contextlib import ExitStack
from typing import Any

from penstock.flow import Channel, ChannelClosedError, Message
from penstock.kanban._bucket import Bucket
from penstock.kanban._seat import Claim, Seat
from penstock.kanban._token import Token

_LOOK_S = 0.02


class BucketChannel(Channel[Any]):
    """A durable channel whose messages are token files: payloads are JSON values or bytes.

    What was got and not settled is taken again after a crash: at least once. The limit of the
    bucket is the channel's capacity; a message in hand counts until it is settled, unless
    `settle_on_get`, which delivers at most once.
    For the tasks of one event loop; several processes may each have a channel over one bucket.
    """

    def __init__(self, bucket: Bucket, worker: str, *, settle_on_get: bool = False) -> None:
        """Open it.

        Args:
            bucket: Where the messages lie.
            worker: Unique among those who read from the bucket.
            settle_on_get: Forget a message as soon as it was got.
        """
        self._bucket = bucket
        self._stack = ExitStack()
        self._seat = self._stack.enter_context(Seat(bucket, worker))
        self._settle_on_get = settle_on_get
        self._claims: dict[str, Claim] = {}
        self._closed = False
        self._number = 0
        self._readers: deque[object] = deque()
        self._writers: deque[object] = deque()

    async def put(self, message: Message[Any]) -> None:
        turn = object()
        self._writers.append(turn)
        try:
            while True:
                if self._writers[0] is turn and self.put_nowait(message):
                    return
                await asyncio.sleep(_LOOK_S)
        finally:
            self._writers.remove(turn)

    async def get(self) -> Message[Any] | None:
        turn = object()
        self._readers.append(turn)
        try:
            while True:
                message = self.get_nowait() if self._readers[0] is turn else None
                if message is not None or (self._closed and self._readers[0] is turn):
                    return message
                await asyncio.sleep(_LOOK_S)
        finally:
            self._readers.remove(turn)

    def put_nowait(self, message: Message[Any]) -> bool:
        if self._closed:
            raise ChannelClosedError(self._bucket.name)
        self._number += 1
        return self._bucket.put(as_token(message, f"{self._seat.worker}-{self._number:012}"))

    def get_nowait(self) -> Message[Any] | None:
        for claim in self._seat.claim():
            message = as_message(claim.token)
            self._claims[message.id] = claim
            if self._settle_on_get:
                self.settle(message)
            return message
        return None

    def settle(self, message: Message[Any]) -> None:
        """Say that all work on a message that was got is done: its token is removed."""
        self._seat.discard(self._claims.pop(message.id))

    def close(self) -> None:
        self._closed = True

    def leave(self) -> None:
        """Give up the seat; what was got and not settled goes back."""
        self._stack.close()


def as_token(message: Message[Any], identity: str) -> Token:
    """The token that carries a message."""
    payload = message.payload
    if isinstance(payload, bytes):
        encoded = {"payload_b64": base64.b64encode(payload).decode()}
    else:
        encoded = {"payload": payload}
    return Token(identity, fields={**encoded, "message": message.id, "size": message.size})


def as_message(token: Token) -> Message[Any]:
    """The message that a token carries; a token without one is its own payload."""
    fields = token.fields
    if "payload_b64" in fields:
        payload: Any = base64.b64decode(fields["payload_b64"])
    else:
        payload = fields.get("payload", token)
    return Message(payload, str(fields.get("message", token.id)))
