"""How an engine works, as far as somebody may want it otherwise."""

from datetime import timedelta

from pydantic import Field

from penstock.base import Config, Duration


class EngineSettings(Config):
    """The pace of an engine; the defaults suit one machine."""

    slots: int = Field(default=32, ge=1)
    """Attempts carried out at a time by this process."""

    lease: Duration = timedelta(seconds=30)
    """Time after which work of a process that died is taken up; renewed three times within it."""

    poll: Duration = timedelta(seconds=1)
    """Longest time until a change that another process made is seen."""

    stop_poll: Duration = timedelta(milliseconds=500)
    """Longest time until a stop that another process asked for is begun."""
