"""What a stage function may know of its call: it is given this where it names a parameter `ctx`."""

from collections.abc import Callable
from typing import Any

from penstock.base import Value
from penstock.flow._message import Message
from penstock.flow._once import EffectStore, Once
from penstock.flow._pack import Pack


class Context(Value):
    """One call of a stage function: of which flow and stage, for which messages, in which attempt.

    Name a parameter `ctx: Context` after the payload, and it is given, in every pool.
    """

    flow: str
    stage: str
    message_ids: tuple[str, ...]
    """Of the messages of this call, in their order: one, unless the stage has `batch`."""

    attempt: int
    """Number of this attempt, from 1; 1 where several messages are in the call."""

    directory: str
    """Where effects that are done are recorded."""

    durable: bool = True
    """Whether that outlives the run, and a machine that fails."""

    @property
    def message_id(self) -> str:
        """Of the message, or of the first of the batch; stable across restarts where the source's ids are."""
        return self.message_ids[0]

    def once(self, key: str) -> Once:
        """Whether an effect is still to be done: `with ctx.once(key) as first`, or `async with` in a coroutine.

        The effect counts as done when the block ends without an error, which is recorded in the flow's
        directory before the block is left, and is not given again by any later attempt, worker or run.
        A process that dies within the block leaves it open whether the effect was brought about: it is
        then done again, at least once in all. To make that exactly once, give the key to whatever brings
        the effect about, as its idempotency key.

        Args:
            key: Names the effect within this stage of this flow, such as `f"invoice/{order}"`. A call
                with a key that somebody else is at waits until that one has ended.
        """
        store = EffectStore(self.directory, durable=self.durable)
        return Once(store, f"{self.flow}\0{self.stage}", key)


class Call(Value):
    """A payload on its way to a function that takes a context."""

    payload: Any
    message_ids: tuple[str, ...]
    attempt: int


class ContextSetup(Value):
    """What the contexts of one stage have in common; travels to worker processes."""

    flow: str
    stage: str
    directory: str
    durable: bool

    def bind(self, function: Callable[..., Any]) -> Callable[[Any], Any]:
        """The function as pools call it: with a `Call` in the place of the payload."""

        def call(given: Call) -> Any:
            context = Context(
                self.flow,
                self.stage,
                given.message_ids,
                given.attempt,
                self.directory,
                self.durable,
            )
            return function(given.payload, ctx=context)

        return call


def bound(context: ContextSetup | None, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is called with what is `given`."""
    return function if context is None else context.bind(function)


def given(context: ContextSetup | None, message: Message[Any]) -> Any:
    """What the function is called with for a message."""
    if context is None:
        return message.payload
    return Call(message.payload, (message.id,), message.attempt)


def given_each(context: ContextSetup | None, messages: list[Message[Any]]) -> list[Any]:
    """What the function is called with for each of the messages."""
    if context is None:
        return [message.payload for message in messages]
    return [given(context, message) for message in messages]


def given_batch(context: ContextSetup | None, batch: Pack[Any] | list[Message[Any]]) -> Any:
    """What the function is called with for all of the messages at once: a list that is its own."""
    if isinstance(batch, Pack):
        return batch.payloads.copy()
    payloads = [message.payload for message in batch]
    if context is None:
        return payloads
    attempt = batch[0].attempt if len(batch) == 1 else 1
    return Call(payloads, tuple(message.id for message in batch), attempt)
