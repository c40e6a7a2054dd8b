"""What a user writes about a pipeline, and the file it is written in."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from penstock.base import Config
from penstock.ingest._location_config import Location
from penstock.ingest._schema_config import SchemaConfig
from penstock.ingest._sink_config import ErrorHandlingConfig, PlanConfig, SinkConfig
from penstock.ingest._source_config import SourceConfig
from penstock.topology import GlobalConfig, PipelineSupervision

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")

LONE_PIPELINE = "default"
"""The key of a pipeline that is written at the top level of a file."""

LONE_SOURCE = "main"
"""The key of a source that is written as `source`."""


def _plain_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"expected a key of letters, digits, '.', '_' and '-', at most 63, starting with a letter or digit "
            f"(it becomes part of file names), got {key!r}"
        )
    return key


Key = Annotated[str, AfterValidator(_plain_key)]
"""The name of a pipeline or a source; it stands in file names and in the table's log for ever."""


class PipelineConfig(Config):
    """One way from files to a table."""

    sources: dict[Key, SourceConfig] = Field(min_length=1)
    """Where files come from, by a name that is kept with the table: a file is taken once per source."""

    schema_: SchemaConfig = Field(alias="schema")
    """The columns."""

    sink: SinkConfig
    """The table."""

    max_concurrent_files: int = Field(default=4, ge=1, le=1024)
    """How many files of this pipeline are read, decoded and written at a time."""

    plan: PlanConfig = Field(default_factory=PlanConfig)
    """When found files become a commit."""

    error_handling: ErrorHandlingConfig = Field(default_factory=ErrorHandlingConfig)
    """What happens to what cannot be read."""

    supervision: PipelineSupervision = Field(default_factory=PipelineSupervision)
    """What happens when it fails, where that differs from `global.supervision`."""

    @property
    def poll_interval(self) -> timedelta:
        """The shortest of the sources' intervals: one look lists them all."""
        return min(source.poll_interval_secs for source in self.sources.values())


class MetricsConfig(Config):
    """Where `/metrics`, `/livez` and `/readyz` are served."""

    address: str = "127.0.0.1:9090"
    """Host and port; port 0 takes a free one and prints it."""

    @field_validator("address")
    @classmethod
    def _has_a_port(cls, address: str) -> str:
        if not re.fullmatch(r"\S*:\d{1,5}", address):
            raise ValueError(f"expected host:port such as 127.0.0.1:9090, got {address!r}")
        return address


class ConfigFile(Config):
    """One file: any number of pipelines, or a single one at the top level, which is then named `default`."""

    pipelines: dict[Key, PipelineConfig] = Field(default_factory=dict)
    """Pipelines by key; a key is used once in all files of a run."""

    global_: GlobalConfig | None = Field(default=None, alias="global")
    """What all pipelines share; of several files the last one holds."""

    metrics: MetricsConfig | None = None
    """Where metrics are served; nothing is served without it. Of several files the last one holds."""

    state_dir: Location | None = None
    """Where local state is kept; by default `.penstock` beside the first configuration file."""

    source: SourceConfig | None = None
    """The source of the single pipeline."""

    schema_: SchemaConfig | None = Field(default=None, alias="schema")
    """Its columns."""

    sink: SinkConfig | None = None
    """Its table."""

    max_concurrent_files: int = Field(default=4, ge=1, le=1024)
    """How many of its files are read, decoded and written at a time."""

    plan: PlanConfig = Field(default_factory=PlanConfig)
    """When its files become a commit."""

    error_handling: ErrorHandlingConfig = Field(default_factory=ErrorHandlingConfig)
    """What happens to what it cannot read."""

    supervision: PipelineSupervision = Field(default_factory=PipelineSupervision)
    """What happens when it fails, where that differs from `global.supervision`."""

    @field_validator("state_dir")
    @classmethod
    def _local(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("s3://"):
            raise ValueError(
                f"expected a local directory, got {value!r}; what must outlive this machine is kept with the table"
            )
        return value

    @model_validator(mode="after")
    def _lone_pipeline_is_whole(self) -> "ConfigFile":
        parts = {"source": self.source, "schema": self.schema_, "sink": self.sink}
        missing = [name for name, part in parts.items() if part is None]
        alone = {*parts, "max_concurrent_files", "plan", "error_handling", "supervision"}
        written = {name.rstrip("_") for name in self.model_fields_set} & alone
        if written and missing:
            raise ValueError(
                f"{_listed(sorted(written))} at the top level makes a pipeline named {LONE_PIPELINE!r}, which lacks "
                f"{_listed(missing)}; add it, or move everything below pipelines.<key>"
            )
        if written and LONE_PIPELINE in self.pipelines:
            raise ValueError(
                f"the pipeline {LONE_PIPELINE!r} is written twice, at the top level and below pipelines; keep one"
            )
        return self

    def all_pipelines(self) -> dict[str, PipelineConfig]:
        """Every pipeline of the file, the single one at its top level included."""
        if self.source is None or self.schema_ is None or self.sink is None:
            return dict(self.pipelines)
        alone = PipelineConfig(
            sources={LONE_SOURCE: self.source},
            schema=self.schema_,
            sink=self.sink,
            max_concurrent_files=self.max_concurrent_files,
            plan=self.plan,
            error_handling=self.error_handling,
            supervision=self.supervision,
        )
        return {**self.pipelines, LONE_PIPELINE: alone}


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
