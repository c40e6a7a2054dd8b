"""How runs and events are written down: JSON that this version, and later ones, can read back.

A store keeps one row for the run and one for each step, so that a change writes only what changed.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Final, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from penstock.base import RecordError
from penstock.workflow._domain import DomainEvent
from penstock.workflow._event import Event
from penstock.workflow._graph import Graph
from penstock.workflow._run import RunRecord, StepRecord

Row = dict[str, Any]
"""What `json.dumps` takes."""

_STEP: Final = TypeAdapter(StepRecord)
_EVENTS: Final[Mapping[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind) for kind in get_args(Event)
}
_DOMAIN: Final = TypeAdapter(DomainEvent)
_HINTS: Final = get_type_hints(RunRecord)
_HEAD: Final[Mapping[str, TypeAdapter[Any]]] = {
    field.name: TypeAdapter(_HINTS[field.name])
    for field in fields(RunRecord)
    if field.name not in {"graph", "steps"}
}


def encode_run(run: RunRecord) -> Row:
    """All of a run but its graph, which its version pins, and its steps."""
    return {name: kind.dump_python(getattr(run, name), mode="json") for name, kind in _HEAD.items()}


def decode_run(row: Row, *, graph: Graph, steps: Mapping[str, StepRecord], place: str) -> RunRecord:
    """Put a run together again.

    Args:
        row: What `encode_run` gave.
        graph: The pinned version's.
        steps: All steps of the graph.
        place: Where the row was found, for the error.

    Raises:
        RecordError: It is no such row, it was written by a newer version, or steps are missing.
    """
    if row.keys() != _HEAD.keys():
        other = ", ".join(sorted(row.keys() ^ _HEAD.keys()))
        raise RecordError(f"{place} is not a run that this version can read: {other}")
    if steps.keys() != graph.nodes.keys():
        other = ", ".join(sorted(steps.keys() ^ graph.nodes.keys()))
        raise RecordError(f"{place} has other steps than its version: {other}")
    try:
        values = {name: kind.validate_python(row[name]) for name, kind in _HEAD.items()}
    except ValidationError as error:
        raise _unreadable(error, "run", place) from error
    ordered = MappingProxyType({name: steps[name] for name in graph.order})
    return RunRecord(graph=graph, steps=ordered, **values)


def encode_step(step: StepRecord) -> Row:
    """All of a step."""
    row: Row = _STEP.dump_python(replace(step, units=dict(step.units)), mode="json")
    return row


def decode_step(row: Row, *, place: str) -> StepRecord:
    """Read what `encode_step` gave.

    Raises:
        RecordError: It is no such row, or was written by a newer version.
    """
    _refuse_unknown(row, StepRecord, place)
    try:
        step = _STEP.validate_python(row)
    except ValidationError as error:
        raise _unreadable(error, "step", place) from error
    return replace(step, units=MappingProxyType(dict(sorted(step.units.items()))))


def encode_event(event: Event) -> Row:
    """An event with its kind, for the history."""
    kind = type(event).__name__
    return {"kind": kind, **_EVENTS[kind].dump_python(event, mode="json")}


def decode_event(row: Row, *, place: str) -> Event:
    """Read what `encode_event` gave.

    Raises:
        RecordError: It is no such row, or of a kind that this version does not know.
    """
    kind = str(row.get("kind"))
    if kind not in _EVENTS:
        raise RecordError(f"{place} is not an event that this version can read: kind {kind!r}")
    try:
        event: Event = _EVENTS[kind].validate_python(
            {name: value for name, value in row.items() if name != "kind"}
        )
    except ValidationError as error:
        raise _unreadable(error, "event", place) from error
    return event


def encode_domain(told: DomainEvent) -> Row:
    """A domain event, for the outbox."""
    row: Row = _DOMAIN.dump_python(replace(told, data=dict(told.data)), mode="json")
    return row


def decode_domain(row: Row, *, place: str) -> DomainEvent:
    """Read what `encode_domain` gave.

    Raises:
        RecordError: It is no such row, or of a kind that this version does not know.
    """
    try:
        told = _DOMAIN.validate_python(row)
    except ValidationError as error:
        raise _unreadable(error, "domain event", place) from error
    return replace(told, data=MappingProxyType(told.data))


def _refuse_unknown(row: Row, kind: type[StepRecord], place: str) -> None:
    unknown = sorted(row.keys() - {field.name for field in fields(kind)})
    if unknown:
        listed = ", ".join(unknown)
        raise RecordError(f"{place} is not a step that this version can read: {listed}")


def _unreadable(error: ValidationError, what: str, place: str) -> RecordError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    return RecordError(f"{place} is not a {what} that this version can read: {key}: {first['msg']}")
