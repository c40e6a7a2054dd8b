"""The board's configuration: one YAML, checked as a whole."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field, SecretStr, model_validator

from penstock.base import Config, Duration, RetryPolicy, Size, TextOptions


class WipLimit(Config):
    """The most that may be in a bucket: waiting, claimed and delayed; errors do not count."""

    tokens: int = Field(default=0, ge=0)
    """0 sets no limit."""

    bytes: Size = 0
    """Of their data files; 0 sets no limit."""


class CatalogueConfig(Config):
    """A catalogue that a command prints: expensive, hence cached."""

    command: str
    """Prints CSV with the columns `barcode` and, if there is one, `converted`."""

    max_age: Duration = timedelta(days=7)
    """How long its answer is good for."""


class GlobalConfig(Config):
    """What all filters of a board share. Relative paths start from the configuration's directory."""

    temp_dir: str = ""
    """Scratch space; by default below the state directory."""

    gpg_passphrase: SecretStr | None = None
    """Only by reference: `${file:PATH}`, `${env:NAME}` or `${cmd:COMMAND}`."""

    all_books: str | CatalogueConfig = ""
    """A CSV file with the columns `barcode` and, if there is one, `converted`; or a command."""

    processing_bucket: str = "var/processing"
    """Where data files lie while they are worked on."""

    done_bucket: str = "var/done"
    """Where they end: a directory, or `s3://bucket/prefix`; `storage_bucket` is the same key."""

    storage_options: TextOptions = Field(default_factory=dict, repr=False)
    """For object stores: `aws_endpoint_url`, `aws_region`, `aws_access_key_id` and so on; secrets only by reference."""

    state_dir: str = ".penstock"
    """Ledger, control and caches."""

    logs: str = "logs"
    """One log file per filter."""

    sync: bool = True
    """Whether tokens survive a power cut; without, only the death of any process."""

    fan_out: bool = False
    """Spread each bucket over 256 directories: for far more than 100,000 tokens in one."""

    drain: Duration = timedelta(seconds=60)
    """Time that tokens in hand have to be finished when the board is stopped."""

    crash_limit: int = Field(default=5, ge=1)
    """A token that so many workers died of goes to the errors."""

    @model_validator(mode="before")
    @classmethod
    def _storage_is_done(cls, values: Any) -> Any:
        if isinstance(values, dict) and "storage_bucket" in values:
            if "done_bucket" in values:
                raise ValueError(
                    "done_bucket and storage_bucket are the same key; keep one of them"
                )
            values = {**values, "done_bucket": values["storage_bucket"]}
            del values["storage_bucket"]
        return values


class Seed(StrEnum):
    """Which items of the catalogue begin their way at a filter."""

    AVAILABLE = "available"
    """Those that are available and not yet converted."""
    CONVERTED = "converted"
    """Those that have been converted."""
    ALL = "all"


class FilterConfig(Config):
    """One filter: it takes tokens from a bucket, works on them, and moves them to the next."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Names its log and its workers."""

    class_: str = Field(alias="class")
    """A built-in filter, or `module:Class` of your own."""

    input_pipe: str
    """The directory it takes tokens from."""

    output_pipe: str
    """The directory it moves them to."""

    workers: int = Field(default=1, ge=1, le=256)
    """Processes."""

    retry: RetryPolicy = RetryPolicy(
        initial_interval=timedelta(seconds=1),
        maximum_attempts=3,
        maximum_interval=timedelta(hours=1),
    )
    """Attempts per token, and how long it is put aside between them."""

    wip_limit: WipLimit = WipLimit()
    """For the input bucket: a number of tokens, or `{tokens, bytes}`."""

    hold: bool = False
    """Whether what comes into the input bucket is held there until somebody releases it."""

    seed: Seed | None = None
    """What of the catalogue enters the input bucket; where no filter says so, the first takes what is `available`."""

    timeout: Duration | None = None
    """Longest time for one token; then the worker is killed and the token has another attempt."""

    args: dict[str, Any] = Field(default_factory=dict)
    """What the filter's class takes."""

    @model_validator(mode="before")
    @classmethod
    def _number_is_limit(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("wip_limit"), int):
            return {**values, "wip_limit": {"tokens": values["wip_limit"]}}
        return values


class BoardConfig(Config):
    """A board: its filters in the order of the work."""

    global_: GlobalConfig = Field(default=GlobalConfig(), alias="global")
    """What all filters share."""

    filters: list[FilterConfig] = Field(min_length=1)
    """At least one."""
