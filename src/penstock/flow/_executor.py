"""Workers outside the loop: the port that threads and processes share."""

from typing import Any, Protocol

from penstock.flow._chunk import Answer
from penstock.flow._errors import FlowError

NOBODY, ANYONE = -1, -2
"""In the place of a culprit: the worker had begun nothing; or all was done, and the answer was not sent."""


class LostChunkError(FlowError):
    """The worker was lost; `culprit` is the place of the message it had in hand, `cause` what happened."""

    def __init__(self, culprit: int, cause: Exception) -> None:
        super().__init__(str(cause))
        self.culprit = culprit
        self.cause = cause


class Executor(Protocol):
    """One worker outside the loop; after `LostChunkError` it is whole again.

    More may be sent while something is under way, where the stage has no time-out; all is answered
    in its order. Calls of `whole`, `begin` and `more` are made while nothing is.
    """

    @property
    def weight(self) -> int:
        """Bytes of the last message, or batch, on its way there or back; 0 where it is not copied."""
        ...

    async def ready(self) -> None:
        """Return when something can be sent."""
        ...

    def send(self, payloads: list[Any], size: int) -> None:
        """Have the function called for each payload; an answer comes for each chunk of `size` of them."""
        ...

    def send_batches(self, batches: list[Any]) -> None:
        """Have the function called once with each batch; an answer with one result comes for each."""
        ...

    async def receive(self) -> list[Answer]:
        """The answers that have come, at least one: those to the oldest of what was sent.

        Raises:
            LostChunkError: The worker died, hung or was killed. It had begun nothing but the oldest
                of what is not answered.
        """
        ...

    async def whole(self, payloads: list[Any]) -> Any:
        """Call the function once, with the list.

        Raises:
            LostChunkError: As above.
            Exception: What the function raised.
        """
        ...

    async def begin(self, payload: Any) -> None:
        """Start a generator whose outputs are fetched with `more`."""
        ...

    async def more(self) -> tuple[list[Any], bool]:
        """Some outputs of the generator, and whether they are the last."""
        ...

    async def aclose(self) -> None:
        """End the worker."""
        ...
