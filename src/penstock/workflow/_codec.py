"""How runs and events are written down: JSON that this version, and later ones, can read back.

A store keeps one row for the run and one for each step, so that a change writes only what changed.
"""

import json
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

_RUN: Final = TypeAdapter(RunRecord)
_PINNED: Final = {"graph", "steps"}
"""What is not in the row of a run: its version has the graph, and each step a row of its own."""

_STEP: Final = TypeAdapter(StepRecord)
_UNITS: Final = {"units"}
_EVENTS: Final[Mapping[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind) for kind in get_args(Event)
}
_MEMBERS: Final = {kind: tuple(field.name for field in fields(kind)) for kind in get_args(Event)}
_EVENT: Final = TypeAdapter(dict[str, Any])
_DOMAIN: Final = TypeAdapter(DomainEvent)
_DATA: Final = {"data"}
_HINTS: Final = get_type_hints(RunRecord)
_HEAD: Final[Mapping[str, TypeAdapter[Any]]] = {
    field.name: TypeAdapter(_HINTS[field.name])
    for field in fields(RunRecord)
    if field.name not in _PINNED
}


def encode_run(run: RunRecord) -> str:
    """All of a run but its graph, which its version pins, and its steps."""
    return _RUN.serializer.to_json(run, exclude=_PINNED).decode()


def decode_run(
    text: str, *, graph: Graph, steps: Mapping[str, StepRecord], place: str
) -> RunRecord:
    """Put a run together again.

    Args:
        text: What `encode_run` gave.
        graph: The pinned version's.
        steps: All steps of the graph.
        place: Where the text was found, for the error.

    Raises:
        RecordError: It is no such text, it was written by a newer version, or steps are missing.
    """
    row = _row(text, place)
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


def encode_step(step: StepRecord) -> str:
    """All of a step; read-only views, which cost pydantic a look at each value, only where they hold any."""
    return _written(_STEP, step, without=None if step.units else _UNITS)


def decode_step(text: str, *, place: str) -> StepRecord:
    """Read what `encode_step` gave.

    Raises:
        RecordError: It is no such text, or was written by a newer version.
    """
    row = _row(text, place)
    _refuse_unknown(row, StepRecord, place)
    try:
        step = _STEP.validate_python(row)
    except ValidationError as error:
        raise _unreadable(error, "step", place) from error
    return replace(step, units=MappingProxyType(dict(sorted(step.units.items()))))


def encode_event(event: Event) -> str:
    """An event with its kind, for the history."""
    kind = type(event)
    members = {name: getattr(event, name) for name in _MEMBERS[kind]}
    return _written(_EVENT, {"kind": kind.__name__, **members})


def decode_event(text: str, *, place: str) -> Event:
    """Read what `encode_event` gave.

    Raises:
        RecordError: It is no such text, or of a kind that this version does not know.
    """
    row = _row(text, place)
    kind = str(row.pop("kind", None))
    if kind not in _EVENTS:
        raise RecordError(f"{place} is not an event that this version can read: kind {kind!r}")
    try:
        event: Event = _EVENTS[kind].validate_python(row)
    except ValidationError as error:
        raise _unreadable(error, "event", place) from error
    return event


def encode_domain(told: DomainEvent) -> str:
    """A domain event, for the outbox; with its data where it has any."""
    return _written(_DOMAIN, told, without=None if told.data else _DATA)


def decode_domain(text: str, *, place: str) -> DomainEvent:
    """Read what `encode_domain` gave.

    Raises:
        RecordError: It is no such text, or of a kind that this version does not know.
    """
    try:
        told = _DOMAIN.validate_python(_row(text, place))
    except ValidationError as error:
        raise _unreadable(error, "domain event", place) from error
    return replace(told, data=MappingProxyType(told.data))


def _written(kind: TypeAdapter[Any], value: Any, *, without: set[str] | None = None) -> str:
    """JSON of a record, whose mappings are read-only views: pydantic takes those as dicts only."""
    text = kind.serializer.to_json(value, fallback=dict, warnings=False, exclude=without)
    return text.decode()


def _row(text: str, place: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise RecordError(f"{place} is not JSON that this version can read: {error}") from error
    return row


def _refuse_unknown(row: Mapping[str, Any], kind: type[StepRecord], place: str) -> None:
    unknown = sorted(row.keys() - {field.name for field in fields(kind)})
    if unknown:
        listed = ", ".join(unknown)
        raise RecordError(f"{place} is not a step that this version can read: {listed}")


def _unreadable(error: ValidationError, what: str, place: str) -> RecordError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    return RecordError(f"{place} is not a {what} that this version can read: {key}: {first['msg']}")
