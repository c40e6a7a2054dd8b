"""Whether the program lives, and whether it makes progress; and if not, why."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from threading import Lock

from penstock.base import Clock, Value


class HealthState(StrEnum):
    """What a component is doing, in its own words."""

    STARTING = "starting"
    WORKING = "working"
    IDLE = "idle"
    BACKING_OFF = "backing off"
    FAILED = "failed"
    STOPPING = "stopping"
    DONE = "done"


_READY = frozenset({HealthState.WORKING, HealthState.IDLE, HealthState.DONE})


class HealthReason(Value):
    """Why something is not well."""

    component: str
    state: str
    detail: str
    seconds: float
    """How long it has been so."""


class HealthReport(Value):
    """The answer to one question: all is well when nothing speaks against it."""

    reasons: tuple[HealthReason, ...]

    @property
    def well(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


class HealthComponent:
    """One part that says how it is; obtained from `HealthBoard.component`.

    Working without progress for longer than its limit counts as stalled. Idle parts cannot stall.
    Safe to call from any thread; each call costs about as much as an assignment.
    """

    def __init__(self, name: str, clock: Clock, stalled_after: timedelta, complaint: str) -> None:
        self.name = name
        self._clock = clock
        self._limit = stalled_after.total_seconds()
        self._complaint = complaint
        self._now = (HealthState.STARTING, "", clock.monotonic())

    @property
    def state(self) -> HealthState:
        """What it said last."""
        return self._now[0]

    def starting(self) -> None:
        """It has not begun yet."""
        self._enter(HealthState.STARTING, "")

    def progress(self) -> None:
        """Something got done: a page, a file, a commit."""
        self._now = (HealthState.WORKING, "", self._clock.monotonic())

    def working(self) -> None:
        """There is work, and none was done yet: from now on it can stall, unless it already could."""
        self._enter(HealthState.WORKING, "")

    def idle(self) -> None:
        """There is nothing to do."""
        self._enter(HealthState.IDLE, "")

    def backing_off(self, why: str) -> None:
        """Something outside refuses; it will be tried again."""
        self._enter(HealthState.BACKING_OFF, why)

    def failed(self, why: str) -> None:
        """It has ended and should not have."""
        self._enter(HealthState.FAILED, why)

    def stopping(self) -> None:
        """It was told to stop and takes no new work."""
        self._enter(HealthState.STOPPING, "")

    def done(self) -> None:
        """It has ended as it should."""
        self._enter(HealthState.DONE, "")

    def complaint(self) -> HealthReason | None:
        """Why this part is not ready; `None` when it is."""
        state, detail, since = self._now
        seconds = self._clock.monotonic() - since
        if state not in _READY:
            return HealthReason(self.name, state, detail, seconds)
        if state is HealthState.WORKING and seconds > self._limit:
            return HealthReason(self.name, "stalled", self._complaint, seconds)
        return None

    def _enter(self, state: HealthState, detail: str) -> None:
        known, _, since = self._now
        self._now = (state, detail, since if known is state else self._clock.monotonic())


class HealthBoard:
    """Where all parts of a program say how they are, and where `/livez` and `/readyz` look.

    *Live* asks whether the event loop still turns; a program that is not live should be killed.
    *Ready* asks whether every part makes progress; a program that is not ready should be looked at.
    """

    def __init__(
        self, clock: Clock, *, loop_silent_after: timedelta = timedelta(seconds=30)
    ) -> None:
        """Start with no components, live and ready.

        Args:
            clock: For ages.
            loop_silent_after: Longest pause between two calls of `beat`, once there was one.
        """
        self._clock = clock
        self._silent_after = loop_silent_after.total_seconds()
        self._beat: float | None = None
        self._components: dict[str, HealthComponent] = {}
        self._lock = Lock()

    def component(
        self,
        name: str,
        *,
        stalled_after: timedelta = timedelta(minutes=5),
        complaint: str = "no progress",
    ) -> HealthComponent:
        """The part called `name`, made on first use, in the state *starting*.

        Args:
            name: For people: `flights`, or `flights/commit`.
            stalled_after: Longest time with work and without progress.
            complaint: What a stall is called: `no commit`, for one.
        """
        with self._lock:
            if name not in self._components:
                self._components[name] = HealthComponent(
                    name, self._clock, stalled_after, complaint
                )
            return self._components[name]

    def forget(self, name: str) -> None:
        """Drop a part that is gone for good; unknown names are fine."""
        with self._lock:
            self._components.pop(name, None)

    def beat(self) -> None:
        """The event loop turns. Called by a task on it; from the first call on it must go on."""
        self._beat = self._clock.monotonic()

    def rest(self) -> None:
        """The loop ends as it should: no more beats are expected."""
        self._beat = None

    def live(self) -> HealthReport:
        """Whether the event loop turns."""
        beat = self._beat
        silent = 0.0 if beat is None else self._clock.monotonic() - beat
        if silent <= self._silent_after:
            return HealthReport(())
        return HealthReport((HealthReason("event loop", "stalled", "something blocks it", silent),))

    def ready(self) -> HealthReport:
        """Whether every part makes progress; a loop that hangs is not ready either."""
        return HealthReport((*self.live().reasons, *self._complaints()))

    def _complaints(self) -> Iterator[HealthReason]:
        with self._lock:
            components = [self._components[name] for name in sorted(self._components)]
        for component in components:
            reason = component.complaint()
            if reason is not None:
                yield reason
