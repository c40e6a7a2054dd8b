"""The pipelines of a run, also while their configuration changes."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add

from msgspec import Struct, field

from penstock.base import ConfigError, Document, Problem, read_yaml
from penstock.ingest._config import PipelineConfig
from penstock.ingest._cycle_result import CycleResult
from penstock.ingest._figures import Figures
from penstock.ingest._load import IngestConfig
from penstock.ingest._pipeline import IngestOptions, IngestPipeline
from penstock.topology import (
    FailurePolicy,
    PipelineContext,
    PipelineSpec,
    PipelineSupervision,
    Supervision,
)

KeyPath = tuple[str | int, ...]

_FIXED: Sequence[KeyPath] = (
    ("metrics", "address"),
    ("state_dir",),
    ("global", "total_concurrency"),
    ("global", "poll_jitter_secs"),
    ("global", "connection_pooling"),
    ("global", "supervision", "drain_deadline"),
)
"""What holds from the start of the process to its end."""


class Crew(Struct):
    """Makes the pipelines of a configuration, and knows all that it has made."""

    config: IngestConfig
    options: Callable[[str], IngestOptions]
    """How the pipeline of a key is run."""

    only: Sequence[str] | None
    """Keys; None is all."""

    ends: bool
    """Whether the work has an end."""

    made: dict[str, list[IngestPipeline]] = field(default_factory=dict)
    """By key, the latest version last."""

    def specs(self) -> list[PipelineSpec]:
        """What is to run, by the configuration of now."""
        return [self._spec(key, one) for key, one in self._chosen().items()]

    def follow(self, config: IngestConfig) -> list[PipelineSpec]:
        """What is to run from now on.

        Raises:
            ConfigError: It changes what holds to the end of the process; nothing was changed.
        """
        problems = _fixed(self.config, config)
        if problems:
            raise ConfigError(problems)
        self.config = config
        return self.specs()

    def current(self) -> list[IngestPipeline]:
        """The latest version of each pipeline that is configured now."""
        return [self.made[key][-1] for key in self._chosen() if key in self.made]

    def figures(self, key: str) -> Figures:
        """What all versions of a pipeline have settled."""
        return Figures.of(reduce(add, (one.settled for one in self.made[key]), CycleResult()))

    def _chosen(self) -> Mapping[str, PipelineConfig]:
        if self.only is None:
            return self.config.pipelines
        return {key: self.config.pipelines[key] for key in self.only}

    def _spec(self, key: str, config: PipelineConfig) -> PipelineSpec:
        def make(context: PipelineContext) -> IngestPipeline:
            pipeline = IngestPipeline(key, config, context, self.options(key))
            self.made.setdefault(key, []).append(pipeline)
            return pipeline

        what = config.model_copy(update={"supervision": PipelineSupervision()})
        return PipelineSpec(key, make, what, self._supervision(config))

    def _supervision(self, config: PipelineConfig) -> Supervision:
        """Work with an end is not begun anew: whoever asked for it hears at once that it failed."""
        both = config.supervision.over(self.config.shared.supervision)
        if not self.ends or both.on_failure is not FailurePolicy.RESTART:
            return both
        return both.model_copy(update={"on_failure": FailurePolicy.ISOLATE})


def _fixed(before: IngestConfig, after: IngestConfig) -> tuple[Problem, ...]:
    return tuple(
        _problem(after, path, was=was, now=now)
        for path in _FIXED
        for was, now in [(_value(before, path), _value(after, path))]
        if was != now
    )


def _value(config: IngestConfig, path: KeyPath) -> object:
    match path:
        case ("metrics", _):
            return config.metrics and config.metrics.address
        case ("state_dir",):
            return config.state_dir
        case ("global", "supervision", _):
            return config.shared.supervision.drain_deadline
        case _:
            return getattr(config.shared, str(path[-1]))


def _problem(config: IngestConfig, path: KeyPath, *, was: object, now: object) -> Problem:
    """At the place where it is written, in the last of the files that has it."""
    documents = [read_yaml(file) for file in config.files]
    holding = [document for document in documents if _written(document, path)]
    message = f"cannot be changed while it runs: it was {was}, and is {now} now"
    document = (holding or documents)[-1]
    return document.problem(path, message, "restart the process, or write the old value again")


def _written(document: Document, path: KeyPath) -> bool:
    return any(path[:end] in document.lines for end in range(len(path), 0, -1))
