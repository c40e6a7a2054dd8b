"""The `global` section of a configuration."""

from pydantic import Field

from penstock.base import Config
from penstock.topology._supervision import Supervision


class GlobalConfig(Config):
    """What all pipelines of a configuration share."""

    total_concurrency: int | None = Field(default=None, ge=1)
    """Downloads, uploads and commits in progress over all pipelines; none sets no limit."""

    poll_jitter_secs: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    """Upper bound of the random part of start delays and poll pauses, in seconds; 0 disables it."""

    connection_pooling: bool = True
    """Whether pipelines share one connection per bucket and credentials."""

    supervision: Supervision = Field(default_factory=Supervision)
    """What the failure of a pipeline does, and how long work in hand may take after a stop."""
