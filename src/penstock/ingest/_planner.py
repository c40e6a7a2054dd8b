"""Decides what goes in next, once, and writes it down before any work."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from penstock.base import Clock, Failpoints, Value
from penstock.ingest._layout import plan_key
from penstock.ingest._ledger import Ledger
from penstock.ingest._plan import FileVersion, Plan, WriterSettings
from penstock.ingest._strands import strands
from penstock.storage import ObjectStore


class PlanLimits(Value):
    """When a plan is made: whichever is reached first. Small plans are fast, large ones give large files."""

    max_files: int = 1000
    """Source files in a plan, at least 1."""

    max_bytes: int = 2 * 1024**3
    """Stored bytes in a plan; a larger file gets a plan of its own."""

    max_age: timedelta = timedelta(seconds=30)
    """Longest time a file at rest waits for company."""


class PlanTemplate(Value):
    """What all plans of a pipeline's lane have in common."""

    pipeline: str
    lane: str
    schema_id: str
    writer: WriterSettings
    """With as many strands as a plan may have at most."""


class Planning(Value):
    """What one attempt to plan came to."""

    planned: bool
    """Whether there is a new plan, ours or a rival's."""

    waiting: int
    """Files that may be planned and are not."""

    changed: tuple[FileVersion, ...]
    """Files whose name is taken by another content; they are not read."""


class Planner:
    """Makes plans with dense numbers. Of rivals at one number one wins; the others adopt its plan.

    Every earlier plan has been read before one is made, because its number is the first that is
    free: so a name is in at most one plan that counts.
    """

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        template: PlanTemplate,
        *,
        limits: PlanLimits,
        clock: Clock,
        failpoints: Failpoints,
    ) -> None:
        """Plan nothing yet; `store` lies over the table's root."""
        self._store = store
        self._ledger = ledger
        self._template = template
        self._limits = limits
        self._clock = clock
        self._failpoints = failpoints
        self._waiting_since: float | None = None

    def plan(self, found: Sequence[FileVersion], *, flush: bool) -> Planning:
        """Plan some of the files that were found, unless it is better to wait for more.

        Args:
            found: Files at rest, in the order in which their rows are to be written.
            flush: Do not wait for company.
        """
        self._ledger.refresh()
        free, changed = self._ledger.split(found)
        chosen = choose(free, self._limits)
        if not self._due(chosen, free, flush=flush):
            return Planning(planned=False, waiting=len(free), changed=tuple(changed))
        self._write(chosen)
        return Planning(planned=True, waiting=len(free) - len(chosen), changed=tuple(changed))

    def _due(
        self, chosen: Sequence[FileVersion], free: Sequence[FileVersion], *, flush: bool
    ) -> bool:
        if not free:
            self._waiting_since = None
            return False
        now = self._clock.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        full = len(chosen) < len(free) or len(chosen) == self._limits.max_files
        full = full or sum(file.size for file in chosen) >= self._limits.max_bytes
        old = now - self._waiting_since >= self._limits.max_age.total_seconds()
        return full or old or flush

    def _write(self, files: Sequence[FileVersion]) -> None:
        self._waiting_since = None
        writer = self._template.writer
        plan = Plan(
            pipeline=self._template.pipeline,
            seq=self._ledger.next_seq,
            lane=self._template.lane,
            table_id=self._ledger.table_id,
            schema_id=self._template.schema_id,
            planned_at=self._clock.now(),
            files=tuple(files),
            writer=replace(writer, strands=strands(files, writer)),
        )
        data = plan.encode()
        self._failpoints.cross("plan.before")
        if self._store.put_if_absent(plan_key(plan.pipeline, plan.seq), data):
            self._failpoints.cross("plan.written")
            self._ledger.adopt(plan, data)
        else:
            self._ledger.refresh()


def choose(free: Sequence[FileVersion], limits: PlanLimits) -> Sequence[FileVersion]:
    """The files of one plan: the first of those that may be planned, at least one if there is any."""
    size = 0
    for count, file in enumerate(free[: limits.max_files]):
        size += file.size
        if count and size > limits.max_bytes:
            return free[:count]
    return free[: limits.max_files]
