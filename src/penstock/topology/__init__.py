"""Many pipelines in one process: started together, looked after, drained together.

Owns: the context that pipelines share, the fair limiter, jitter, restarts, signals, the shutdown
token, reloads, outcomes and what they mean as an exit code.
Promises: a stop is never worse than a crash: the first signal lets work in hand finish, the second
cancels it. A failed pipeline shows in health, in the log and in the exit code, and stops no other
unless told to.
Does not: know what a pipeline does, or what a storage pool is; exit the process.
"""

from penstock.topology._config import GlobalConfig
from penstock.topology._context import PipelineContext
from penstock.topology._limiter import Limiter, LimiterStatistics
from penstock.topology._outcomes import (
    CancelReason,
    DamagedStateError,
    ExitReason,
    FailureLimitError,
    PipelineError,
    Stats,
    TaskError,
    TaskOutcome,
    TaskOutput,
)
from penstock.topology._pipeline import Pipeline
from penstock.topology._run import make_context, run_pipelines
from penstock.topology._runner import PipelineRunner
from penstock.topology._running import RunningTopology, TopologyError
from penstock.topology._shutdown import Shutdown
from penstock.topology._spec import PipelineSpec
from penstock.topology._supervision import FailurePolicy, PipelineSupervision, Supervision
from penstock.topology._task import Task

__all__ = [
    "CancelReason",
    "DamagedStateError",
    "ExitReason",
    "FailureLimitError",
    "FailurePolicy",
    "GlobalConfig",
    "Limiter",
    "LimiterStatistics",
    "Pipeline",
    "PipelineContext",
    "PipelineError",
    "PipelineRunner",
    "PipelineSpec",
    "PipelineSupervision",
    "RunningTopology",
    "Shutdown",
    "Stats",
    "Supervision",
    "Task",
    "TaskError",
    "TaskOutcome",
    "TaskOutput",
    "TopologyError",
    "make_context",
    "run_pipelines",
]
