"""The token: one piece of work, as a small JSON file that people can read and write."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.base import Value
from penstock.kanban._errors import TokenError

FORMAT = "penstock-token/1"
SUFFIX = ".json"
_is_id = re.compile(r"[^/\0\s.][^/\0\n\r]{0,199}").fullmatch
_HISTORY_KEPT = 200
_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode
_format_json = msgspec.json.format


class Priority(StrEnum):
    """Which tokens go first; also the name of the sub-directory that they wait in."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class DataRef(Value, omit_defaults=True):
    """A data file that belongs to a token."""

    path: str
    """Below the processing bucket, or absolute."""

    size: int
    """Bytes."""

    sha256: str = ""
    """Hexadecimal; empty where nobody has counted yet."""


DONE = "done"


class Visit(Value, omit_defaults=True):
    """One stay of a token in the hands of a filter."""

    stage: str
    worker: str
    start: str = ""
    """RFC 3339, UTC; empty where nobody is left to say."""
    end: str = ""
    result: str = msgspec.field(
        default_factory=lambda: DONE
    )  # a plain default would not be written
    """`done`, `retry`, `failed`, `later`, `crash`, `held`, `released`."""
    reason: str = ""


class Token(Value):
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

    fields: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Everything else that the file holds; filters read and write it."""

    def __post_init__(self) -> None:
        identity = self.id
        if not _is_id(identity) or (not identity.isascii() and len(identity.encode()) > 200):
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
        return replace(
            self,
            attempts=self.attempts if attempts is None else attempts,
            history=self._visited(visit),
            reason=self.reason if reason is None else reason,
            not_before=self.not_before if not_before is None else not_before,
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
            values["priority"] = self.priority
        if self.data:
            values["data"] = self.data
        return values


def _document(values: dict[str, Any], fields: Mapping[str, Any], history: Sequence[Visit]) -> bytes:
    values |= fields
    if history:
        values["history"] = history
    values["format"] = FORMAT
    try:
        if _SCALARS.issuperset(map(type, fields.values())) or all(map(_is_plain, fields.values())):
            return _format_json(_encode_json(values), indent=2) + b"\n"
        text = json.dumps(values, default=_as_object, ensure_ascii=False, indent=2)
        return f"{text}\n".encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TokenError(values["barcode"], f"its fields are not JSON: {error}; {_HELD}") from error


_HELD = "they hold texts, numbers, true, false, null, and lists and objects of these"
_SCALARS = frozenset({str, int, bool, type(None)})


def _is_plain(value: Any) -> bool:
    """Whether it is made of what both encoders write alike.

    Of other things msgspec makes something where `json` refuses, of infinity null, and of the
    largest numbers other digits.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if type(value) is float:
        return abs(value) < 1e16
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_plain, value.values()))
    return kind is list and all(map(_is_plain, value))


def _as_object(value: object) -> Any:
    """For `json`: visits and references, and nothing else that a field may hold."""
    if isinstance(value, (Visit, DataRef)):
        return msgspec.to_builtins(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


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
        values = _decode_json(data)
    except (msgspec.DecodeError, ValueError):
        values = _explained(data, place)
    if not isinstance(values, dict):
        raise TokenError(place, "expected one JSON object")
    identity = values.pop("barcode", values.pop("id", stem))
    if identity != stem and str(identity) != stem:
        raise TokenError(
            place,
            f"its file is named {stem + SUFFIX!r}, but its id is {identity!r}; rename one of them",
        )
    ours = "format" in values
    try:
        return _from_values(stem, values), ours
    except (TypeError, ValueError, AttributeError) as error:
        raise TokenError(place, str(error)) from error


def _explained(data: bytes, place: str) -> Any:
    """What `json` alone understands, such as other encodings, or explains in lines and columns."""
    try:
        return json.loads(data)
    except ValueError as error:
        raise TokenError(place, f"not JSON: {error}") from error


def _from_values(identity: str, values: dict[str, Any]) -> Token:
    """Take out what is known; the rest are the token's own fields."""
    form, priority, attempts, visits, files, *texts = map(values.pop, _KNOWN, _KNOWN.values())
    if form != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}, got {form!r}")
    if not _TEXT.issuperset(map(type, texts)):
        _check_texts(texts)
    if not (type(visits) is type(files) is list):
        _check_lists(visits, files)
    processing, done, storage, reason, not_before = texts
    return Token(
        identity,
        processing,
        done or storage,
        priority if priority is Priority.NORMAL else Priority(priority),
        tuple([DataRef(**reference) for reference in files]) if files else (),
        int(attempts),
        tuple([Visit(**visit) for visit in visits]) if visits else (),
        reason,
        not_before,
        values,
    )


_KNOWN: Mapping[str, Any] = {
    "format": FORMAT,
    "priority": Priority.NORMAL,
    "attempts": 0,
    "history": [],
    "data": [],
    "processing_bucket": "",
    "done_bucket": "",
    "storage_bucket": "",
    "reason": "",
    "not_before": "",
}
"""What a token stands for where its file says nothing; all else in it are fields of its own."""
_TEXT = frozenset({str})


def _check_texts(texts: Sequence[Any]) -> None:
    for key, value in zip(list(_KNOWN)[-len(texts) :], texts, strict=True):
        unused = key == "storage_bucket" and texts[1]  # nobody asks for the other name
        if not isinstance(value, str) and not unused:
            raise TypeError(f"expected {key} to be text, got {value!r}")


def _check_lists(visits: Any, files: Any) -> None:
    for key, value in (("history", visits), ("data", files)):
        if not isinstance(value, list):
            raise TypeError(f"expected {key} to be a list, got {value!r}")


def stamp(moment: datetime) -> str:
    """A moment of UTC as tokens have it."""
    text: str = msgspec.to_builtins(moment)  # in a tenth of the time that `isoformat` takes
    return f"{text[:23]}Z" if moment.microsecond else f"{text[:19]}.000Z"
