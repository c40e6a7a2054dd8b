"""How messages end: delivered, filtered, dead or handed back; and how the source hears of it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.base import Clock
from penstock.flow._budgets import Budgets
from penstock.flow._dead_letters import DeadLetter, DeadLetterStore, Reason
from penstock.flow._errors import (
    FlowError,
    PoisonError,
    StageTimeoutError,
    WorkerDiedError,
)
from penstock.flow._message import Branch, Message
from penstock.flow._resume import Checkpointer
from penstock.flow._source import PulledSource, Source


class Ledger:
    """The outcomes of one run, and the token tree.

    A source message is settled when all leaves of its tree are; it is acknowledged then, dead or
    not, because a dead letter is durable before its leaf is settled.
    """

    def __init__(
        self,
        flow: str,
        sources: Sequence[Source[Any]],
        store: DeadLetterStore,
        clock: Clock,
        *,
        early: bool = False,
    ) -> None:
        self.flow = flow
        self.pulled = 0
        self.delivered = 0
        self.acked = 0
        self.returned = 0
        self.changed: Callable[[], None] = lambda: None
        pulled = [source for source in sources if isinstance(source, PulledSource)]
        tracks = len(pulled) < len(sources)
        self._mint = None if tracks else pulled[0].mint
        # Acknowledged early there is nothing to tell the source in the end, and nothing to hand back.
        self._tracks = tracks and not early
        self.early = early
        self.taken = 0
        self.budgets: Budgets | None = None
        self._sources = sources
        self._store = store
        self._clock = clock
        self._settled: list[Message[Any]] = []
        self._returned: list[Message[Any]] = []
        self._weighted = self._branched = False
        self._open: dict[Message[Any], Source[Any]] = {}
        self.checkpointer: Checkpointer | None = None

    def opened(self, messages: list[Message[Any]], source: Source[Any]) -> None:
        """Count what a source gave."""
        self.pulled += len(messages)
        if self._tracks:
            self._open.update(dict.fromkeys(messages, source))

    async def take(self, messages: list[Message[Any]], source: Source[Any]) -> None:
        """Acknowledge messages before any work on them begins: whatever happens, they are not given again."""
        self._open.update(dict.fromkeys(messages, source))
        await source.ack(messages)
        self.taken += len(messages)
        for message in messages:
            del self._open[message]
            if self.checkpointer is not None:
                self.checkpointer.tracker.settle(message)
        if self.checkpointer is not None:
            await self.checkpointer.write()

    @property
    def at_risk(self) -> int:
        """Source messages acknowledged early that have not ended: what a crash would lose now."""
        return self.taken - self.acked if self.early else 0

    def may_retry(self) -> bool:
        """Whether the flow's budget allows one more retry."""
        return self.budgets is None or self.budgets.may_retry()

    def check_budgets(self) -> None:
        """End the flow where more is dead than may be.

        Raises:
            ErrorBudgetError: It is.
        """
        if self.budgets is not None:
            self.budgets.check()

    def open_under(self, messages: list[Message[Any]], prefix: str) -> list[Message[Any]]:
        """Leaves that stand for the messages of one of several sources; their ids begin with `prefix`."""
        self._branched = True
        leaves = []
        for message in messages:
            leaf: Message[Any] = message.under(prefix)
            leaf.branch = Branch(parents=[message], pending=1)
            message.payload = None
            leaves.append(leaf)
        return leaves

    def redelivers(self, message: Message[Any]) -> bool:
        """Whether the source of a message gives it again if it is handed back; so all sources of a merged one."""
        if not self._tracks:
            return False
        if len(self._sources) == 1:
            return True
        if message.branch is None:
            return not isinstance(self._open[message], PulledSource)
        return all(map(self.redelivers, message.branch.parents))

    def weigh(self, messages: list[Message[Any]]) -> int:
        """How many messages these stand for."""
        if not self._weighted:
            return len(messages)
        return sum(message.weight for message in messages)

    def deliver(self, messages: list[Message[Any]]) -> int:
        """These leaves have reached the end; returns how many messages they stand for."""
        weight = self.weigh(messages)
        self.delivered += weight
        if self._tracks or self._branched:
            for message in messages:
                self.settle(message)
        else:
            self.acked += len(messages)
        return weight

    def deliver_pack(self, count: int) -> None:
        """So many messages of a pack have reached the end."""
        self.delivered += count
        self.acked += count

    def deliver_for_good(self, messages: list[Message[Any]]) -> int:
        """As `deliver`, of messages that only the caller still has, and forgets now."""
        weight = self.deliver(messages)
        if self._mint is not None and not self._branched:
            self._mint.take_back(messages)
        return weight

    def settle(self, message: Message[Any]) -> None:
        """One leaf is done."""
        branch = message.branch
        if branch is not None:
            branch.pending -= 1
            if not branch.pending:
                self._settle_branch(branch)
        elif self._tracks:
            self._settled.append(message)
            if self.checkpointer is not None:
                self.checkpointer.tracker.settle(message)
            self.changed()
        else:
            self.acked += 1

    async def progress_with(self, leaves: Iterable[Message[Any]]) -> bytes | None:
        """The progress as it is once these leaves are settled too; None where none is kept."""
        if self.checkpointer is None:
            return None
        sources = []
        reached: Counter[int] = Counter()
        pending = list(leaves)
        while pending:
            message = pending.pop()
            branch = message.branch
            if branch is None:
                sources.append(message)
                continue
            reached[id(branch)] += 1
            if reached[id(branch)] == branch.pending:
                pending += branch.parents
        return await self.checkpointer.progress_with(sources)

    def settle_dead(self, message: Message[Any]) -> None:
        """One leaf is recorded as dead."""
        if message.branch is None:
            message.annotate().dead = True
        else:
            message.branch.dead = True
        self.settle(message)

    def hand_out(self, message: Message[Any], payloads: list[Any]) -> list[Message[Any]]:
        """Replace a leaf by its children, at least one."""
        branch = message.branch
        if branch is None:
            self._branched = True
            branch = Branch(parents=[message])
        else:
            branch.pending -= 1
        children = [message.child(payload, place) for place, payload in enumerate(payloads)]
        for child in children:
            child.branch = branch
        branch.pending += len(children)
        message.payload = None
        return children

    def open_leaf(self, message: Message[Any]) -> Message[Any]:
        """A leaf that stands for `message` and may gain siblings while it is worked on."""
        if message.branch is not None:
            return message
        self._branched = True
        leaf: Message[Any] = message.child(message.payload, 0)
        leaf.rename_as(message)
        leaf.branch = Branch(parents=[message], pending=1)
        leaf.notes, message.payload = message.notes, None
        return leaf

    def gain(self, leaf: Message[Any], count: int) -> None:
        """An open leaf has got that many siblings."""
        if leaf.branch is not None:
            leaf.branch.pending += count

    def merge(self, messages: list[Message[Any]], payloads: list[Any]) -> list[Message[Any]]:
        """Replace many leaves by messages that stand for all of them, at least one."""
        self._branched = True
        branch = Branch(parents=messages, pending=len(payloads))
        weight = sum(message.weight for message in messages)
        merged = [messages[0].child(payload, place) for place, payload in enumerate(payloads)]
        for message in merged:
            message.branch = branch
        if weight > len(merged):
            self._weighted = True
            merged[0].annotate().weight = weight - len(merged) + 1
        for message in messages:
            message.payload = None
        return merged

    def _settle_branch(self, branch: Branch) -> None:
        for parent in branch.parents:
            if branch.dead:
                self.settle_dead(parent)
            else:
                self.settle(parent)

    async def bury(
        self, message: Message[Any], stage: str, error: BaseException, reason: Reason
    ) -> None:
        """Record a dead letter durably; the caller settles the message after that."""
        letter = DeadLetter(
            flow=self.flow,
            stage=stage,
            message_id=message.id,
            attempts=message.attempt,
            reason=reason,
            error_class=type(error).__name__,
            error=str(error) or repr(error),
            at=self._clock.now(),
            payload=message.payload,
        )
        try:
            await self._store.keep([letter])
        except Exception as failure:
            raise FlowError(
                f"the dead letter of message {message.id} could not be recorded ({failure!r}), "
                "so the flow ends before anything is lost"
            ) from failure

    def hand_back(self, message: Message[Any]) -> None:
        """One leaf stays undone; the source message is not acknowledged, and given back at the end."""
        self.returned += message.weight

    @property
    def backlog(self) -> int:
        """Settled source messages that the source has not heard of yet."""
        return len(self._settled)

    async def acknowledge(self) -> None:
        """Tell the source what is settled by now."""
        while self._settled:
            messages, self._settled = self._settled, []
            for source, own in self._by_source(messages):
                await source.ack(own)
            for message in messages:
                del self._open[message]
            self.acked += len(messages)

    async def close(self) -> None:
        """Acknowledge what is settled, hand back the rest."""
        await self.acknowledge()
        if self._open:
            messages = sorted(self._open, key=lambda message: message.id)
            shares = self._by_source(messages)
            self._open.clear()
            for source, own in shares:
                await source.nack(own)

    def _by_source(
        self, messages: list[Message[Any]]
    ) -> list[tuple[Source[Any], list[Message[Any]]]]:
        if len(self._sources) == 1:
            return [(self._sources[0], messages)]
        shares: dict[Source[Any], list[Message[Any]]] = {}
        for message in messages:
            shares.setdefault(self._open[message], []).append(message)
        return list(shares.items())


def reason_of(error: BaseException) -> Reason:
    """The word for why an attempt failed."""
    if isinstance(error, PoisonError):
        return "poison"
    if isinstance(error, MemoryError) or (isinstance(error, WorkerDiedError) and error.memory):
        return "memory"
    if isinstance(error, WorkerDiedError):
        return "crash"
    if isinstance(error, (StageTimeoutError, asyncio.TimeoutError)):
        return "timeout"
    return "error"
