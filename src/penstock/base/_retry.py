"""How often and how soon something that failed is tried again."""

import random
from datetime import timedelta

from pydantic import Field, model_validator

from penstock.base._config import Config, Duration


class RetryPolicy(Config):
    """Exponential backoff with full jitter; the keys are Temporal's, and the same in every YAML.

    >>> RetryPolicy(initial_interval="1s", maximum_attempts=3).ceiling(attempt=3)
    4.0
    """

    initial_interval: Duration = timedelta(milliseconds=500)
    """Longest wait before the second attempt."""

    backoff_coefficient: float = Field(default=2.0, ge=1.0, le=100.0)
    """Factor from one wait to the next."""

    maximum_interval: Duration = timedelta(seconds=60)
    """No wait is longer than this."""

    maximum_attempts: int = Field(default=1, ge=0)
    """Attempts in all, the first included; 0 sets no limit."""

    retry_on: tuple[type[BaseException] | str, ...] = (Exception,)
    """Error classes, or their names, that are worth another attempt."""

    @model_validator(mode="after")
    def _intervals_in_order(self) -> "RetryPolicy":
        if self.maximum_interval < self.initial_interval:
            raise ValueError(
                f"expected maximum_interval >= initial_interval, got {self.maximum_interval.total_seconds():g}s "
                f"and {self.initial_interval.total_seconds():g}s"
            )
        return self

    def ceiling(self, attempt: int) -> float:
        """Longest wait after the failed attempt number `attempt` (from 1), in seconds."""
        longest = self.maximum_interval.total_seconds()
        first = self.initial_interval.total_seconds()
        # The exponent is capped where any coefficient has long passed any interval, so that it cannot overflow.
        return min(longest, first * self.backoff_coefficient ** min(attempt - 1, 64))

    def delay(self, attempt: int, chance: random.Random) -> float:
        """The wait after the failed attempt number `attempt`, in seconds: full jitter, 0 to `ceiling`."""
        return chance.uniform(0.0, self.ceiling(attempt))

    def allows(self, attempt: int, error: BaseException) -> bool:
        """Whether attempt number `attempt`, which ended in `error`, may be followed by another."""
        if self.maximum_attempts and attempt >= self.maximum_attempts:
            return False
        names = {cls.__name__ for cls in type(error).__mro__}
        return any(
            kind in names if isinstance(kind, str) else isinstance(error, kind)
            for kind in self.retry_on
        )
