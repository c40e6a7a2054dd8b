"""Pipelines as data: definitions, states, and the pure kernel that decides what follows what.

Owns: the pipeline definition and its validation, expressions, the state tables, `decide`, and the
ports `Engine`, `Executor` and `Store`.
Promises: `decide` is pure, so that every engine gives the same states and events; illegal
transitions cannot happen; a final state never changes.
Does not: run anything, keep anything, read a clock.
"""

from penstock.workflow import _command as command
from penstock.workflow import _event as event
from penstock.workflow._domain import DomainEvent, DomainKind
from penstock.workflow._errors import ErrorClass, Failure
from penstock.workflow._graph import Graph, Node, UndoRule
from penstock.workflow._kernel import decide
from penstock.workflow._recovery import outstanding
from penstock.workflow._restart import restart
from penstock.workflow._run import AttemptRef, Compensation, RunRecord, StepRecord
from penstock.workflow._states import RunState, StepState, VersionState, diagram
from penstock.workflow._turn import Decision

__all__ = [
    "AttemptRef",
    "Compensation",
    "Decision",
    "DomainEvent",
    "DomainKind",
    "ErrorClass",
    "Failure",
    "Graph",
    "Node",
    "RunRecord",
    "RunState",
    "StepRecord",
    "StepState",
    "UndoRule",
    "VersionState",
    "command",
    "decide",
    "diagram",
    "event",
    "outstanding",
    "restart",
]
