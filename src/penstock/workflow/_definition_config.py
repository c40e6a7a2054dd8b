"""The definition of a pipeline as a document: `apiVersion: pipelines/v1`."""

from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import Field, field_validator, model_validator
from pydantic.json_schema import GenerateJsonSchema

from penstock.base import Config, Duration, parse_duration, parse_size
from penstock.workflow._policy import MapConfig, StepRetry, Timeouts
from penstock.workflow._step_config import (
    ChildConfig,
    HttpConfig,
    PythonConfig,
    ShellConfig,
    SqlConfig,
)

STEP_TYPES: Final = ("sql", "python", "shell", "http", "pipeline")
LATER_STEP_TYPES: Final = ("flink", "notify", "quality", "spark")
LATER_STEP_KEYS: Final = ("approval", "cache", "resources")
LATER_KEYS: Final = ("deadline", "notify", "schedule", "upstream")
NAME: Final = r"[A-Za-z][A-Za-z0-9_-]{0,62}"

Later = dict[str, Any]
"""A part that is kept as written: this version knows its name, not what is in it."""


class ActionConfig(Config):
    """What is done: exactly one step type."""

    sql: SqlConfig | None = None
    """A query."""

    python: PythonConfig | None = None
    """A Python function or script."""

    shell: ShellConfig | None = None
    """A command."""

    http: HttpConfig | None = None
    """A request."""

    pipeline: ChildConfig | None = None
    """Another pipeline."""

    spark: Later | None = None
    """A Spark job; not runnable yet."""

    flink: Later | None = None
    """A Flink job; not runnable yet."""

    quality: Later | None = None
    """Checks of a table; not runnable yet."""

    notify: Later | None = None
    """A message to people; not runnable yet."""

    retry: StepRetry | None = None
    """When a failed attempt is followed by another; else that of `defaults`."""

    timeout: Timeouts | None = None
    """Limits; those that are missing come from `defaults`."""

    @property
    def kind(self) -> str:
        """The step type's key."""
        kinds = (*STEP_TYPES, *LATER_STEP_TYPES)
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_step_type(self) -> "ActionConfig":
        kinds = (*STEP_TYPES, *LATER_STEP_TYPES)
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"expected exactly one of {', '.join(kinds)}, got {got}")
        return self


class StepConfig(ActionConfig):
    """One step."""

    needs: tuple[str, ...] = ()
    """Steps that must have ended well before: SUCCEEDED, WARNED, or skipped by their own `when`."""

    when: str | bool | None = None
    """An expression; where it is false the step is skipped, and those that need it go on."""

    map: MapConfig | None = None
    """Run the step once for each item of a list."""

    compensate: ActionConfig | None = None
    """How the step is undone; it must tolerate that there is nothing to undo."""

    approval: Later | None = None
    """Wait for a person; not runnable yet."""

    cache: Later | None = None
    """Take the result of an earlier run; not runnable yet."""

    resources: Later | None = None
    """What the step needs of its machine; not runnable yet."""

    @field_validator("needs")
    @classmethod
    def _order_does_not_matter(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(value)))


class ParameterConfig(Config):
    """A value that a run is given."""

    type: Literal["string", "integer", "number", "boolean", "list", "object"] = "string"
    """What it may be."""

    default: Any = None
    """Its value where none is given; without it the parameter is required."""

    enum: tuple[Any, ...] = ()
    """All values that it may have; empty for any."""

    description: str = ""
    """For people."""


class ConcurrencyConfig(Config):
    """How much may happen side by side."""

    runs: int | None = Field(default=None, ge=1)
    """Open runs of this pipeline; further ones wait in QUEUED."""

    steps: int | None = Field(default=None, ge=1)
    """Running attempts of one run."""

    key: str = ""
    """An expression; runs are counted apart for each of its values."""


class DefaultsConfig(Config):
    """What holds for every step that does not say otherwise."""

    retry: StepRetry = StepRetry()
    """When a failed attempt is followed by another."""

    timeout: Timeouts = Timeouts()
    """Limits of a step."""


class OnFailureConfig(Config):
    """What happens when a run has failed."""

    compensate: Literal["none", "completed-steps"] = "none"
    """Whether steps that succeeded, or may have, are undone in reverse order."""


class MetadataConfig(Config):
    """What a definition is called."""

    name: str = Field(pattern=rf"^{NAME}$")
    """Unique per tenant."""

    owner: str = ""
    """Who answers for it."""

    labels: dict[str, str] = Field(default_factory=dict)
    """For finding it."""


class SpecConfig(Config):
    """What a pipeline does."""

    description: str = ""
    """For people."""

    parameters: dict[str, ParameterConfig] = Field(default_factory=dict)
    """What a run is given, by name."""

    steps: dict[str, StepConfig] = Field(min_length=1)
    """By name; their order in the file has no meaning."""

    defaults: DefaultsConfig = DefaultsConfig()
    """For all steps."""

    concurrency: ConcurrencyConfig = ConcurrencyConfig()
    """How much may happen side by side."""

    timeout: Duration | None = None
    """Longest time of a run from its start; no limit without it."""

    retry_budget: int = Field(default=1_000, ge=0)
    """Retries that all steps of a run may use together."""

    stop_grace: Duration = timedelta(seconds=60)
    """Wait for a confirmed stop, before it is asked for again and an alert is raised."""

    on_failure: OnFailureConfig = OnFailureConfig()
    """What happens when a run has failed."""

    schedule: Later | None = None
    """When it runs by itself; not runnable yet."""

    upstream: list[Any] | None = None
    """Pipelines that it waits for; not runnable yet."""

    deadline: Later | None = None
    """When it must be done; not runnable yet."""

    notify: list[Any] | None = None
    """Who is told of what; not runnable yet."""


class DefinitionConfig(Config):
    """A whole document."""

    apiVersion: Literal["pipelines/v1"] = "pipelines/v1"  # noqa: N815 - the published spelling
    """The version of this format."""

    kind: Literal["Pipeline"] = "Pipeline"
    """What it defines."""

    metadata: MetadataConfig
    """What it is called."""

    spec: SpecConfig
    """What it does."""


class _Schema(GenerateJsonSchema):
    """Durations and sizes as people write them."""

    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        """What is read by `parse_duration` or `parse_size` is a number, or a string with a unit."""
        if schema["function"]["function"] in {parse_duration, parse_size}:
            return {"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}]}
        return super().function_before_schema(schema)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of definitions, for editors."""
    schema = DefinitionConfig.model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": _Schema.schema_dialect, **schema, "title": "Pipeline"}
