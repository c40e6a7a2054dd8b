"""What a user writes about a source: where its files are, and how they are read."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator

from penstock.base import Config, Duration, TextOptions
from penstock.ingest._location_config import Location


class Compression(StrEnum):
    """How the bytes of a file are packed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


class PartitionFilter(Config):
    """Read only what stands under recent date prefixes, so that an old bucket is listed quickly."""

    prefix_template: str = Field(min_length=1)
    """A prefix below the source's path with codes of strftime, such as `date=%Y-%m-%d/hour=%H`."""

    lookback: int = Field(default=0, ge=0, le=10_000)
    """How many hours (where the template has `%H`) or days before now, in UTC, are read as well."""


class SourceConfig(Config):
    """Files that belong together: all below one directory or prefix."""

    path: Location
    """A directory, or `s3://bucket/prefix`; relative to the directory of the configuration file."""

    compression: Compression | None = None
    """`gzip`, `zstd` or `none`; by default the ending of each file's name decides."""

    poll_interval_secs: Duration = Field(
        default=timedelta(seconds=60), ge=timedelta(milliseconds=10)
    )
    """How long to wait before looking for new files again."""

    settle_secs: Duration = timedelta(seconds=2)
    """How long a local file must stand still before it is read; 0 where files are moved in complete."""

    on_change: Literal["report"] = "report"
    """What to do when a file that was taken has new content: `report` lists and counts it, unread."""

    partition_filter: PartitionFilter | None = None
    """Look only under recent date prefixes; by default everything is listed."""

    storage_options: TextOptions = Field(default_factory=dict)
    """Options of the object store."""

    @field_validator("on_change", mode="before")
    @classmethod
    def _only_report(cls, value: object) -> object:
        if value in {"append", "replace"}:
            raise ValueError(
                f"on_change: {value} is not there yet; write on_change: report, and give new content a new name"
            )
        return value
