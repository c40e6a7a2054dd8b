"""The token: one piece of work, as a small JSON file that people can read and write."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from penstock.kanban._errors import TokenError

FORMAT = "penstock-token/1"
SUFFIX = ".json"
_ID = re.compile(r"[^/\0\s.][^/\0\n\r]{0,199}")
_HISTORY_KEPT = 200


class Priority(StrEnum):
    """Which tokens go first; also the name of the sub-directory that they wait in."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class DataRef:
    """A data file that belongs to a token."""

    path: str
    """Below the processing bucket, or absolute."""

    size: int
    """Bytes."""

    sha256: str = ""
    """Hexadecimal; empty where nobody has counted yet."""


class Visit(NamedTuple):
    """One stay of a token in the hands of a filter."""

    stage: str
    worker: str
    start: str = ""
    """RFC 3339, UTC; empty where nobody is left to say."""
    end: str = ""
    result: str = "done"
    """`done`, `retry`, `failed`, `later`, `crash`, `held`, `released`."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of work and all that has happened to it. Frozen: `with_x` returns a changed copy."""

    id: str
    """Unique on the board; also the name of its file. Written `barcode`, read as `id` too."""

    processing_bucket: str = ""
    """Directory in which its data files are worked on."""

    done_bucket: str = ""
    """Where they end; `storage_bucket` is the same key."""

    priority: Priority = Priority.NORMAL
    data: tuple[DataRef, ...] = ()
    attempts: int = 0
    """Failed attempts in the stage that it waits for."""

    history: tuple[Visit, ...] = ()
    reason: str = ""
    """Why it lies in `errors/`; empty elsewhere."""

    not_before: str = ""
    """While it is delayed: when it may be taken again. RFC 3339, UTC."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """Everything else that the file holds; filters read and write it."""

    def __post_init__(self) -> None:
        identity = self.id
        if not _ID.fullmatch(identity) or (not identity.isascii() and len(identity.encode()) > 200):
            raise TokenError(
                f"{self.id!r}",
                "expected an id of 1 to 200 bytes that starts with no dot or blank and holds no slash",
            )

    @property
    def size(self) -> int:
        """Bytes of its data files, or its field `size`: what counts against a limit in bytes."""
        if not self.data:
            size = self.fields.get("size", 0)
            return size if isinstance(size, int) else 0
        return sum(reference.size for reference in self.data)

    def with_data(self, *data: DataRef) -> "Token":
        """A copy whose data files are these."""
        return replace(self, data=data)

    def with_fields(self, **fields: Any) -> "Token":
        """A copy with these fields of its own set."""
        return replace(self, fields={**self.fields, **fields})

    def with_places(self, processing_bucket: str, done_bucket: str) -> "Token":
        """A copy whose data files are worked on, and end, in these directories."""
        return replace(self, processing_bucket=processing_bucket, done_bucket=done_bucket)

    def with_visit(
        self,
        visit: Visit,
        *,
        attempts: int | None = None,
        reason: str | None = None,
        not_before: str | None = None,
    ) -> "Token":
        """A copy with one more visit in its history, of which the last 200 are kept."""
        return Token(  # three times as fast as `replace`, once per token and stage
            self.id,
            self.processing_bucket,
            self.done_bucket,
            self.priority,
            self.data,
            self.attempts if attempts is None else attempts,
            self._visited(visit),
            self.reason if reason is None else reason,
            self.not_before if not_before is None else not_before,
            self.fields,
        )

    @classmethod
    def parse(cls, text: str, *, place: str) -> "Token":
        """A token from its JSON document, with its id inside.

        Args:
            text: One JSON object.
            place: For the error: where it was written.

        Raises:
            TokenError: It is none.
        """
        try:
            values = json.loads(text)
            identity = values.get("barcode", values.get("id"))
        except (ValueError, AttributeError) as error:
            raise TokenError(place, f"it is not one JSON object: {error}") from error
        if identity is None:
            raise TokenError(place, "expected `barcode`")
        return decode(text.encode(), place=place, stem=str(identity))[0]

    def finished(self, stage: str) -> bool:
        """Whether a worker of this stage finished it, wrote that down, and died before it moved on.

        What happened next was that death, and nothing else: somebody may also have put the token
        back to have the work done again.
        """
        visits = list(self.history)
        deaths = []
        while visits and visits[-1].result == "crash":
            deaths.append(visits.pop())
        if not (deaths and visits):
            return False
        last = visits[-1]
        return (last.stage, last.result, last.worker) == (stage, "done", deaths[-1].worker)

    def encode(self) -> bytes:
        """The JSON document, a line per value for those who read it, ending in a line feed.

        Raises:
            TokenError: A field holds what JSON has no word for.
        """
        values = self._outset()
        if self.reason:
            values["reason"] = self.reason
        if self.not_before:
            values["not_before"] = self.not_before
        if self.attempts:
            values["attempts"] = self.attempts
        return _document(values, self.fields, self.history)

    def encode_anew(self, visit: Visit) -> bytes:
        """What `with_visit(visit, attempts=0, reason="", not_before="").encode()` is, without the copy.

        A token that moves on starts anew in its next bucket.
        """
        return _document(self._outset(), self.fields, self._visited(visit))

    def _visited(self, visit: Visit) -> tuple[Visit, ...]:
        return (*self.history, visit)[-_HISTORY_KEPT:]

    def _outset(self) -> dict[str, Any]:
        """What it has from the start and keeps, but for its fields."""
        values: dict[str, Any] = {"barcode": self.id}
        if self.processing_bucket:
            values["processing_bucket"] = self.processing_bucket
        if self.done_bucket:
            values["done_bucket"] = self.done_bucket
        if self.priority is not Priority.NORMAL:
            values["priority"] = self.priority.value
        if self.data:
            values["data"] = [_plain(reference) for reference in self.data]
        return values


def _document(values: dict[str, Any], fields: Mapping[str, Any], history: Sequence[Visit]) -> bytes:
    values |= fields
    if history:
        values["history"] = [_visit(visit) for visit in history]
    values["format"] = FORMAT
    try:
        if all(map(_is_plain, fields.values())):
            return to_json(values, indent=2) + b"\n"
        return (json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TokenError(values["barcode"], f"its fields are not JSON: {error}; {_HELD}") from error


_HELD = "they hold texts, numbers, true, false, null, and lists and objects of these"
_SCALARS = frozenset({str, int, float, bool, type(None)})


def _is_plain(value: Any) -> bool:
    """Whether it is made of what JSON has: of all else pydantic makes something, where `json` refuses."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_plain, value.values()))
    return kind is list and all(map(_is_plain, value))


_DONE = {"done_bucket", "storage_bucket"}
_KNOWN = {
    "barcode", "id", "processing_bucket", "done_bucket", "storage_bucket", "priority", "data",
    "attempts", "history", "reason", "not_before", "format",
}  # fmt: skip


def _plain(value: DataRef) -> dict[str, Any]:
    return {name: found for name in value.__slots__ if (found := getattr(value, name)) != ""}


def _visit(visit: Visit) -> dict[str, str]:
    """Most visits have all but a reason; empty texts are left out."""
    if not (visit.start and visit.end and visit.result):
        return {key: text for key, text in visit._asdict().items() if text != ""}
    values = {
        "stage": visit.stage,
        "worker": visit.worker,
        "start": visit.start,
        "end": visit.end,
        "result": visit.result,
    }
    if visit.reason:
        values["reason"] = visit.reason
    return values


def decode(data: bytes, *, place: str, stem: str) -> tuple[Token, bool]:
    """Read a token, and say whether one of our programs wrote it.

    Args:
        data: The file's content.
        place: Where it was found, for the error.
        stem: The file's name without `.json`: the id where the content names none.

    Raises:
        TokenError: It is not one.
    """
    try:
        values = _parsed(data)
    except ValueError as error:
        raise TokenError(place, f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise TokenError(place, "expected one JSON object")
    named = values.get("barcode", values.get("id", stem))
    if str(named) != stem:
        raise TokenError(
            place,
            f"its file is named {stem + SUFFIX!r}, but its id is {named!r}; rename one of them",
        )
    try:
        token = _from_values(stem, values)
    except (TypeError, ValueError, AttributeError) as error:
        raise TokenError(place, str(error)) from error
    return token, values.get("format") == FORMAT


def _parsed(data: bytes) -> Any:
    """As `json.loads`, in a third of the time; what it alone understands, or explains, is left to it."""
    try:
        return from_json(data)
    except ValueError:
        return json.loads(data)


def _from_values(identity: str, values: dict[str, Any]) -> Token:
    if values.get("format", FORMAT) != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}, got {values['format']!r}")
    given = values.keys() & _KNOWN  # most tokens have few of them
    visits = _list(values, "history") if "history" in given else ()
    files = _list(values, "data") if "data" in given else ()
    return Token(
        identity,
        _text(values, "processing_bucket") if "processing_bucket" in given else "",
        _text(values, "done_bucket") or _text(values, "storage_bucket") if given & _DONE else "",
        Priority(values["priority"]) if "priority" in given else Priority.NORMAL,
        tuple([DataRef(**reference) for reference in files]) if files else (),
        int(values["attempts"]) if "attempts" in given else 0,
        tuple([Visit(**visit) for visit in visits]) if visits else (),
        _text(values, "reason") if "reason" in given else "",
        _text(values, "not_before") if "not_before" in given else "",
        {key: value for key, value in values.items() if key not in given},
    )


def _text(values: dict[str, Any], key: str) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise TypeError(f"expected {key} to be text, got {value!r}")
    return value


def _list(values: dict[str, Any], key: str) -> Sequence[Any]:
    value = values.get(key, ())
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"expected {key} to be a list, got {value!r}")
    return value


def stamp(moment: datetime) -> str:
    """A moment of UTC as tokens have it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
