"""What all pipelines of one run share."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from penstock.base import Clock, Value
from penstock.telemetry import HealthBoard, Metrics
from penstock.topology._limiter import Limiter
from penstock.topology._shutdown import Shutdown


class PipelineContext(Value):
    """Handed to whoever builds the pipelines, and kept by them. All of it is safe to share."""

    shutdown: Shutdown
    """Ask `requested` between two pieces of work; sleep with `pause`."""

    clock: Clock
    metrics: Metrics
    health: HealthBoard
    """A pipeline says how it is through `health.component(key)`, or parts of it `key/part`."""

    global_semaphore: Limiter
    """The limit on work in progress over all pipelines."""

    storage_pool: object = None
    """Whatever the pipelines share for their stores; this room only passes it on."""

    poll_jitter_secs: float = 0.0
    """Upper bound of the random part of start delays and poll pauses, in seconds; 0 disables it."""

    seed: str = ""
    """What makes the jitter of this process differ from another's; same seed, same jitter."""

    def for_one(self) -> "PipelineContext":
        """The same, with a shutdown token that can also be requested for one pipeline alone."""
        return replace(self, shutdown=self.shutdown.child())

    @asynccontextmanager
    async def permit(self, key: str) -> AsyncIterator[None]:
        """One unit of the shared limit for the pipeline `key`, while the block lasts."""
        async with self.global_semaphore.hold(key):
            yield

    def jitter(self, key: str, turn: int = 0) -> float:
        """Seconds to wait in addition before turn number `turn` of `key`; turn 0 is the start.

        Uniform over 0 to `poll_jitter_secs`, and a function of key, turn and seed alone.
        """
        digest = hashlib.sha256(f"{self.seed}\0{key}\0{turn}".encode()).digest()
        return self.poll_jitter_secs * int.from_bytes(digest[:8], "big") / 2**64
