"""What a step does: one model for each step type that can be run."""

from typing import Any, Literal

from pydantic import Field, model_validator

from penstock.base import Config, Duration, Size


class WriteConfig(Config):
    """Where the rows of a query go."""

    table: str
    """The table, by name or URL."""

    mode: Literal["append", "overwrite-partition", "merge"] = "append"
    """What becomes of the rows that are there."""

    partition_by: tuple[str, ...] = ()
    """Columns whose values name the partitions."""

    keys: tuple[str, ...] = ()
    """Columns that identify a row, for `merge`."""

    @model_validator(mode="after")
    def _columns_for_the_mode(self) -> "WriteConfig":
        if self.mode == "merge" and not self.keys:
            raise ValueError("expected keys with mode merge, got none")
        if self.mode == "overwrite-partition" and not self.partition_by:
            raise ValueError("expected partition_by with mode overwrite-partition, got none")
        return self


class SqlConfig(Config):
    """Run a query. Values are bound, never put into the text."""

    engine: Literal["duckdb", "trino"] = "duckdb"
    """What runs it."""

    text: str | None = None
    """The query; this or `file`."""

    file: str | None = None
    """A file with the query, relative to the definition."""

    bind: dict[str, Any] = Field(default_factory=dict)
    """Values of the query's `:name` parameters."""

    write: WriteConfig | None = None
    """Where the rows go; without it they are dropped."""

    storage_options: dict[str, str | bool | int] = Field(default_factory=dict)
    """Options of the object store, such as `aws_endpoint`, for all that the query reads and writes there."""

    @model_validator(mode="after")
    def _one_source(self) -> "SqlConfig":
        if (self.text is None) == (self.file is None):
            raise ValueError("expected exactly one of text and file")
        return self


class PythonConfig(Config):
    """Call a function, or run a script, in a process of its own."""

    entrypoint: str | None = Field(default=None, pattern=r"[\w.]+:\w+")
    """The function, as `package.module:name`; this or `script`."""

    script: str | None = None
    """A file to run, relative to the definition."""

    args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments, or what the script reads as JSON."""

    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables, beside a small clean set."""

    memory: Size | None = None
    """Most memory that the process may take; no limit without it."""

    image: str | None = None
    """A container image to run it in."""

    @model_validator(mode="after")
    def _one_source(self) -> "PythonConfig":
        if (self.entrypoint is None) == (self.script is None):
            raise ValueError("expected exactly one of entrypoint and script")
        return self


class ShellConfig(Config):
    """Run a command in a shell."""

    command: str = Field(min_length=1)
    """The command line; values reach it through `env` only."""

    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables, beside a small clean set."""

    result: Literal["none", "json"] = "none"
    """With `json` the last line of its output is the step's result."""


class HttpConfig(Config):
    """Send a request."""

    url: str
    """Where to; private addresses are refused unless the server's settings allow them."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """How."""

    headers: dict[str, str] = Field(default_factory=dict)
    """Headers, beside the idempotency key."""

    body: Any = None
    """Sent as JSON; a string as it is."""

    expect: tuple[int, ...] = (200, 201, 202, 204)
    """Status codes that mean success."""

    timeout: Duration | None = None
    """Longest wait for the answer; the attempt's without it."""


class ChildConfig(Config):
    """Run another pipeline and wait for its end."""

    name: str
    """The pipeline."""

    params: dict[str, Any] = Field(default_factory=dict)
    """Its parameters."""
