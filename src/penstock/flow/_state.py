"""What a checkpoint says, and the bytes that say it: with a version, and a checksum over all of them."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from penstock.base import Record, RecordError
from penstock.flow._message import Place
from penstock.flow._settled import Interval, Settled

_MAGIC = b"penstock-checkpoint"
_VERSION = b"1"


class LaneState(Record):
    """One lane of the source: all up to the frontier is settled, and these intervals beyond it."""

    frontier: Place | None
    beyond: tuple[Interval, ...] = ()
    mark: str = ""
    """By which the source recognises what lies before the frontier."""

    def settled(self) -> Settled:
        """As it is counted on."""
        return Settled(self.frontier, self.beyond)


class CheckpointState(Record):
    """The progress of a flow through its source."""

    flow: str
    source: str
    """The identity of the source."""

    number: int
    """Counts the checkpoints of a directory, over all runs."""

    at: datetime
    settled: int
    """Source messages settled since the first run."""

    lanes: Mapping[str, LaneState]
    at_risk: int = 0
    """Source messages acknowledged early that had not ended."""


class NewerVersionError(RecordError):
    """The checkpoint is sound, and was written by a newer version."""


def packed(state: CheckpointState) -> bytes:
    """The bytes of a checkpoint: a line with version and checksum, and a line of JSON."""
    body = state.encode() + b"\n"
    return b" ".join((_MAGIC, _VERSION, _digest(_VERSION, body))) + b"\n" + body


def unpacked(data: bytes, place: str) -> CheckpointState:
    """Read what `packed` wrote.

    Raises:
        NewerVersionError: It was written by a newer version.
        RecordError: It is damaged, in whichever byte.
    """
    head, _, body = data.partition(b"\n")
    magic, _, rest = head.partition(b" ")
    version, _, digest = rest.partition(b" ")
    if magic != _MAGIC or digest != _digest(version, body):
        raise RecordError(f"{place} is damaged: its checksum does not fit its {len(data):,} bytes")
    if version != _VERSION:
        raise NewerVersionError(
            f"{place} has format {version.decode()}, and this version of Penstock reads {_VERSION.decode()}; "
            "use the version that wrote it, or a newer one"
        )
    return CheckpointState.decode(body, place=place)


def _digest(version: bytes, body: bytes) -> bytes:
    return hashlib.sha256(version + b"\n" + body).hexdigest().encode()
