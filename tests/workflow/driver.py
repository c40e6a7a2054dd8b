"""Small runs to try things on."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from penstock.testing._workflow_simulation import START
from penstock.workflow import RunRecord, command, decide, event
from penstock.workflow._domain import Decision
from penstock.workflow._errors import ErrorClass, Failure
from penstock.workflow._graph import Graph, Node
from penstock.workflow._run import AttemptRef


class Driver:
    """Hands events to the kernel one by one, and remembers what it answered last."""

    def __init__(self, *nodes: Node, **options: Any) -> None:
        self.state = RunRecord.new("r", Graph.of(nodes, **options))
        self.now = START
        self.last: Decision = decide(self.state, event.Submitted(), self.now)
        self.state = self.last.state

    def send(self, *events: event.Event) -> Decision:
        for happened in events:
            self.now += timedelta(seconds=1)
            self.last = decide(self.state, happened, self.now)
            self.state = self.last.state
        return self.last

    def admit(self) -> "Driver":
        self.send(event.Admitted())
        return self

    def run(self, *names: str) -> "Driver":
        """Let whole steps succeed."""
        for name in names:
            self.send(event.AttemptStarted(ref(name)), event.AttemptSucceeded(ref(name)))
        return self

    def states(self) -> dict[str, str]:
        return {name: str(record.state) for name, record in self.state.steps.items()}

    def kinds(self) -> list[str]:
        """What the last decision told the world."""
        return [str(told.kind) for told in self.last.events]

    def asked(self, kind: type) -> list[Any]:
        return [asked for asked in self.last.commands if isinstance(asked, kind)]

    def fire(self, kind: command.TimerKind, name: str = "", number: int = 1) -> Decision:
        return self.send(event.TimerFired(command.TimerId(kind, AttemptRef(name, number=number))))


def ref(step: str, number: int = 1, *, item: int = -1, undo: bool = False) -> AttemptRef:
    return AttemptRef(step, item, number, undo)


def broken(error: ErrorClass = ErrorClass.DATA, message: str = "wrong") -> Failure:
    return Failure(error, message)


def chain(*names: str, **options: Any) -> Iterable[Node]:
    before: tuple[str, ...] = ()
    for name in names:
        yield Node(name, before, **options)
        before = (name,)
