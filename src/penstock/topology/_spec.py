"""A pipeline before it is built."""

from collections.abc import Callable, Sequence

from penstock.base import Value
from penstock.topology._context import PipelineContext
from penstock.topology._pipeline import Pipeline
from penstock.topology._supervision import Supervision


class PipelineSpec(Value):
    """What it takes to build a pipeline, to look after it, and to tell whether it has changed."""

    key: str
    """As that of the pipeline it makes."""

    make: Callable[[PipelineContext], Pipeline]
    """Puts the pipeline together, and leaves all I/O to its `run`.

    The `shutdown` of the context belongs to this pipeline alone: it is requested when all of the
    run is to drain, and when this one is changed or removed by a reload.
    """

    configuration: object = None
    """Compared by `==` at a reload: what is equal goes on untouched."""

    supervision: Supervision | None = None
    """How it is looked after; None as the run says. `drain_deadline` counts for a reload alone."""


def specs_of(given: Sequence[Pipeline | PipelineSpec]) -> list[PipelineSpec]:
    """Pipelines that are built already are their own configuration."""
    return [one if isinstance(one, PipelineSpec) else _ready(one) for one in given]


def _ready(pipeline: Pipeline) -> PipelineSpec:
    return PipelineSpec(pipeline.key, lambda _: pipeline, configuration=pipeline)
