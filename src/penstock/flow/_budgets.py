"""Budgets of a flow: how much it may try again, and how many of its messages may die."""

from collections import deque
from collections.abc import Callable, Sequence

from penstock.base import Clock, Value
from penstock.flow._errors import ErrorBudgetError, FlowError
from penstock.flow._statistics import Meter

_WINDOW = 10.0
_SLOT = 1.0
_FREE_RETRIES = 100
_SAMPLE = 100


class BudgetOptions(Value):
    """What a flow may spend; None sets no limit."""

    retry_budget: float | None = None
    max_dead: int | None = None
    max_dead_ratio: float | None = None

    def __post_init__(self) -> None:
        if self.retry_budget is not None and self.retry_budget < 0:
            raise FlowError(f"expected retry_budget >= 0, got {self.retry_budget}")
        if self.max_dead is not None and self.max_dead < 0:
            raise FlowError(f"expected max_dead >= 0, got {self.max_dead}")
        if self.max_dead_ratio is not None and not 0 <= self.max_dead_ratio < 1:
            raise FlowError(f"expected max_dead_ratio from 0 to below 1, got {self.max_dead_ratio}")


class RetryBudget:
    """Retries of the last ten seconds: at most `ratio` per message that came through, plus 100.

    When a service is down, retries alone would keep it there: so they are bounded by its successes.
    The form is Finagle's retry budget; successes are counted when a retry is asked for, so that
    messages that succeed pay nothing for it.
    """

    def __init__(self, ratio: float, succeeded: Callable[[], int], clock: Clock) -> None:
        self._ratio = ratio
        self._succeeded = succeeded
        self._clock = clock
        self._looks = deque([(clock.monotonic(), 0)])
        self._made: deque[tuple[float, int]] = deque()

    def spend(self) -> bool:
        """Whether one more retry may be made; it counts as made then."""
        now, made = self._clock.monotonic(), self._made
        while made and made[0][0] <= now - _WINDOW - _SLOT:
            made.popleft()
        if sum(count for _, count in made) + 1 > self._ratio * self._earned(now) + _FREE_RETRIES:
            return False
        if not made or now - made[-1][0] >= _SLOT:
            made.append((now, 0))
        begun, count = made.pop()
        made.append((begun, count + 1))
        return True

    def _earned(self, now: float) -> float:
        """Successes of the window."""
        succeeded, looks = self._succeeded(), self._looks
        if now - looks[-1][0] >= _SLOT:
            looks.append((now, succeeded))
        while len(looks) > 1 and looks[1][0] <= now - _WINDOW:
            looks.popleft()
        since, before = looks[0]
        # Where nobody looked as the window began, it has its share of what came since the look before.
        return (succeeded - before) * min(1.0, _WINDOW / max(now - since, _SLOT))


class Budgets:
    """The budgets of one run."""

    def __init__(
        self,
        options: BudgetOptions,
        meters: Sequence[Meter],
        delivered: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._options = options
        self._meters = meters
        self._delivered = delivered
        ratio = options.retry_budget
        self._retries = (
            None if ratio is None else RetryBudget(ratio, lambda: self._through(dead=False), clock)
        )

    def may_retry(self) -> bool:
        """Whether a failed attempt may be made again, which then counts."""
        return self._retries is None or self._retries.spend()

    def check(self, *, ended: bool = False) -> None:
        """Compare what is dead with what may be.

        Args:
            ended: The flow is over, so that the ratio is that of all messages, however few.

        Raises:
            ErrorBudgetError: More than may be.
        """
        most, ratio = self._options.max_dead, self._options.max_dead_ratio
        dead = sum(meter.dead for meter in self._meters)
        if most is not None and dead > most:
            raise ErrorBudgetError(f"max_dead={most:,}", f"{dead:,} messages are dead")
        if ratio is None:
            return
        done = self._ended() if ended else self._through(dead=True)
        enough = ended or (done >= _SAMPLE and done * ratio >= 1) or ratio == 0
        if enough and dead > ratio * done:
            raise ErrorBudgetError(
                f"max_dead_ratio={ratio:g}",
                f"{dead:,} of {done:,} messages are dead ({dead / done:.3g} of them)",
            )

    def _ended(self) -> int:
        return self._delivered() + sum(meter.filtered + meter.dead for meter in self._meters)

    def _through(self, *, dead: bool) -> int:
        """Messages that came through the stage that has done most.

        Not those that reached the end: they lag behind what is dead by all that the channels hold.
        """
        return max(
            meter.emitted + meter.filtered + (meter.dead if dead else 0) for meter in self._meters
        )
