"""Pipelines as data: definitions, states, and the pure kernel that decides what follows what.

Owns: the pipeline definition and its validation, expressions, the state tables, `decide`, and the
ports `Engine`, `Executor` and `Store`. The names in small letters that are no functions are
vocabularies: `event.AttemptStarted` happens to a run, `command.StartAttempt` is asked of an engine.
Promises: `decide` is pure, so that every engine gives the same states and events; illegal
transitions cannot happen; a final state never changes.
Does not: run anything, keep anything, read a clock.
"""

from penstock.workflow import _codec as codec
from penstock.workflow import _command as command
from penstock.workflow import _definition_config as definition
from penstock.workflow import _domain as domain
from penstock.workflow import _engine as engine
from penstock.workflow import _errors as errors
from penstock.workflow import _event as event
from penstock.workflow import _executor as executor
from penstock.workflow import _expression as expression
from penstock.workflow import _finding as validation
from penstock.workflow import _graph as graph
from penstock.workflow import _policy as policy
from penstock.workflow import _run as record
from penstock.workflow import _states as states
from penstock.workflow import _store as store
from penstock.workflow._engine import Engine
from penstock.workflow._executor import Executor
from penstock.workflow._kernel import decide
from penstock.workflow._phase import phase
from penstock.workflow._pipeline import Pipeline
from penstock.workflow._recovery import outstanding
from penstock.workflow._resolution import resolve
from penstock.workflow._restart import restart
from penstock.workflow._run import RunRecord
from penstock.workflow._store import Store

__all__ = [
    "Engine",
    "Executor",
    "Pipeline",
    "RunRecord",
    "Store",
    "codec",
    "command",
    "decide",
    "definition",
    "domain",
    "engine",
    "errors",
    "event",
    "executor",
    "expression",
    "graph",
    "outstanding",
    "phase",
    "policy",
    "record",
    "resolve",
    "restart",
    "states",
    "store",
    "validation",
]
