"""How runs and events are written down: JSON that this version, and later ones, can read back.

A store keeps one row for the run and one for each step, so that a change writes only what changed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import defstruct
from msgspec.json import Decoder, Encoder
from msgspec.structs import asdict, fields, replace

from penstock.base import RecordError
from penstock.workflow._domain import DomainEvent
from penstock.workflow._event import Event
from penstock.workflow._graph import Graph
from penstock.workflow._run import RunRecord, StepRecord

_PINNED: Final = {"graph", "steps"}
"""What is not in the row of a run: its version has the graph, and each step a row of its own."""

_Head: Final = defstruct(
    "_Head",
    [(field.name, field.type) for field in fields(RunRecord) if field.name not in _PINNED],
    forbid_unknown_fields=True,
)
"""The row of a run; all of it has to be there."""

_WRITTEN: Final = Encoder(enc_hook=dict)
"""Mappings within records are read-only views."""

_RUN: Final = Decoder(_Head)
_STEP: Final = Decoder(StepRecord)
_EVENT: Final[Decoder[Event]] = Decoder(Event)
_DOMAIN: Final = Decoder(DomainEvent)


def encode_run(run: RunRecord) -> str:
    """All of a run but its graph, which its version pins, and its steps."""
    return _text({name: value for name, value in asdict(run).items() if name not in _PINNED})


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
    try:
        head = _RUN.decode(text)
    except ValueError as error:
        raise _unreadable(error, "a run", place) from error
    if steps.keys() != graph.nodes.keys():
        other = ", ".join(sorted(steps.keys() ^ graph.nodes.keys()))
        raise RecordError(f"{place} has other steps than its version: {other}")
    ordered = MappingProxyType({name: steps[name] for name in graph.order})
    return RunRecord(graph=graph, steps=ordered, **asdict(head))


def encode_step(step: StepRecord) -> str:
    """All of a step; its units only where it has any."""
    members = asdict(step)
    if not step.units:
        del members["units"]
    return _text(members)


def decode_step(text: str, *, place: str) -> StepRecord:
    """Read what `encode_step` gave.

    Raises:
        RecordError: It is no such text, or was written by a newer version.
    """
    try:
        step = _STEP.decode(text)
    except ValueError as error:
        raise _unreadable(error, "a step", place) from error
    return replace(step, units=MappingProxyType(dict(sorted(step.units.items()))))


def encode_event(event: Event) -> str:
    """An event with its kind, for the history."""
    return _text(event)


def decode_event(text: str, *, place: str) -> Event:
    """Read what `encode_event` gave.

    Raises:
        RecordError: It is no such text, or of a kind that this version does not know.
    """
    try:
        return _EVENT.decode(text)
    except ValueError as error:
        raise _unreadable(error, "an event", place) from error


def encode_domain(told: DomainEvent) -> str:
    """A domain event, for the outbox; with its data where it has any."""
    members = asdict(told)
    if not told.data:
        del members["data"]
    return _text(members)


def decode_domain(text: str, *, place: str) -> DomainEvent:
    """Read what `encode_domain` gave.

    Raises:
        RecordError: It is no such text, or of a kind that this version does not know.
    """
    try:
        told = _DOMAIN.decode(text)
    except ValueError as error:
        raise _unreadable(error, "a domain event", place) from error
    return replace(told, data=MappingProxyType(told.data))


def _text(value: Any) -> str:
    return _WRITTEN.encode(value).decode()


def _unreadable(error: ValueError, what: str, place: str) -> RecordError:
    return RecordError(f"{place} is not {what} that this version can read: {error}")
