"""What a step may ask for: retries, time-outs, items side by side."""

import re

from pydantic import Field, field_validator

from penstock.base import Config, Duration, RetryPolicy
from penstock.workflow._errors import ErrorClass

MAX_ITEMS = 5_000
"""Items that one map may have."""


class StepRetry(RetryPolicy):
    """When a failed attempt is followed by another.

    A lost attempt (its worker died) is run again without counting here, up to three times.
    """

    retry_on: tuple[ErrorClass, ...] = (
        ErrorClass.TRANSIENT,
        ErrorClass.TIMEOUT,
        ErrorClass.THROTTLED,
    )
    """Error classes that are worth another attempt."""

    @field_validator("retry_on")
    @classmethod
    def _lost_is_not_chosen(cls, value: tuple[ErrorClass, ...]) -> tuple[ErrorClass, ...]:
        if ErrorClass.LOST in value:
            raise ValueError(
                "expected retry_on without 'lost'; a lost attempt is always run again, up to three times"
            )
        return value

    def allows_class(self, failures: int, error: ErrorClass) -> bool:
        """Whether the failure number `failures` (from 1), of class `error`, may be tried again."""
        if self.maximum_attempts and failures >= self.maximum_attempts:
            return False
        return error in self.retry_on


class Timeouts(Config):
    """How long a step may take; without a key there is no limit."""

    queue: Duration | None = None
    """From ready until an attempt starts."""

    attempt: Duration | None = None
    """From the start of an attempt until its end."""

    step: Duration | None = None
    """From ready until the step's end, all attempts, waits and items included."""

    heartbeat: Duration | None = None
    """Longest silence of a running attempt."""


class MapConfig(Config):
    """One step for each item of a list."""

    over: str
    """An expression that gives a list of at most 5,000 items: `${{ steps.enrich.outputs.shards }}`."""

    as_: str = Field(alias="as", default="item", pattern=r"[A-Za-z_][A-Za-z0-9_]*")
    """The item's name in the step's expressions."""

    parallel: int = Field(default=16, ge=1, le=MAX_ITEMS)
    """Items open at a time."""

    allow_failed: int | str = 0
    """Items that may fail, in number or as `1%`; within it the step ends WARNED, beyond it FAILED."""

    @field_validator("allow_failed")
    @classmethod
    def _number_or_share(cls, value: int | str) -> int | str:
        if isinstance(value, str):
            match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", value)
            if match is None or float(match[1]) > 100:
                raise ValueError(f"expected a number of items, or 0% to 100%, got {value!r}")
        elif value < 0:
            raise ValueError(f"expected a number of items, or 0% to 100%, got {value!r}")
        return value

    def allowed(self, total: int) -> int:
        """How many of `total` items may fail; a share is rounded down.

        >>> MapConfig(over="${{ params.days }}", allow_failed="1%").allowed(250)
        2
        """
        if isinstance(self.allow_failed, int):
            return self.allow_failed
        return int(total * float(self.allow_failed[:-1]) / 100)
