"""Domain events as CloudEvents 1.0. Source: the CloudEvents specification, JSON event format."""

import json
from collections.abc import Mapping
from typing import Any

from penstock.base import Value
from penstock.workflow import store


class CloudEvent(Value):
    """One event as the world sees it."""

    position: int
    """In the outbox; rises, with gaps. Not part of the CloudEvent: another store has others."""

    attributes: Mapping[str, str]
    """`specversion`, `id`, `source`, `type`, `subject`, `time`, ...; `id` is `<run>:<seq>`."""

    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The same for the same event, however often it is sent."""
        return self.attributes["id"]

    def text(self) -> str:
        """The JSON event format, in one line."""
        return json.dumps(
            {**self.attributes, "data": self.data}, separators=(",", ":"), ensure_ascii=False
        )


def cloud_event(kept: store.OutboxEvent) -> CloudEvent:
    """Return the CloudEvent of a row of the outbox."""
    told = kept.event
    return CloudEvent(
        kept.position,
        {
            "specversion": "1.0",
            "id": f"{kept.run}:{told.seq}",
            "source": f"/penstock/{kept.tenant}/{kept.pipeline}",
            "type": _type_of(str(told.kind)),
            "subject": kept.run,
            "time": told.at.isoformat(),
            "datacontenttype": "application/json",
            "partitionkey": kept.run,
            "sequence": f"{told.seq:010}",
            "pipelineevent": str(told.kind),
        },
        {
            "tenant": kept.tenant,
            "pipeline": kept.pipeline,
            "version": kept.digest,
            "run": kept.run,
            "step": told.step,
            "state": told.state,
            **told.data,
        },
    )


def _type_of(kind: str) -> str:
    """`PIPELINE_STEP_COMPLETED` is `pipeline.step.completed.v1`; of the run itself: `pipeline.run...`."""
    word = kind.removeprefix("PIPELINE_")
    subject, word = ("step", word[5:]) if word.startswith("STEP_") else ("run", word)
    return f"pipeline.{subject}.{word.lower()}.v1"
