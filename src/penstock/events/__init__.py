"""Domain events on their way to the world: CloudEvents, from the outbox to sinks.

Owns: the form of events, the port `EventSink`, sinks for files, webhooks and the audit, and the relay
that keeps a durable cursor for each consumer.
Promises: each event reaches each sink at least once and in the order of its run, with an id that is
always the same; sinks that keep what they are sent keep it once.
Does not: make events; they are kept in the transaction of the change that they tell of.
"""

from penstock.events._audit import AuditRow, AuditSink, DamagedAuditError
from penstock.events._cloud import CloudEvent, cloud_event
from penstock.events._file import JsonLinesSink
from penstock.events._relay import Relay
from penstock.events._sink import EventSink
from penstock.events._webhook import WebhookSink, signature

__all__ = [
    "AuditRow",
    "AuditSink",
    "CloudEvent",
    "DamagedAuditError",
    "EventSink",
    "JsonLinesSink",
    "Relay",
    "WebhookSink",
    "cloud_event",
    "signature",
]
