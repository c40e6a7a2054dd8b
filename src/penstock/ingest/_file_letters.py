"""The dead letters of one file while it is read."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from penstock.ingest._dead_letters import DeadLetter, payload_of
from penstock.ingest._decoder import LineError, RejectedLine
from penstock.ingest._errors import CorruptFileError
from penstock.ingest._plan import FileVersion, Plan

_IN_MEMORY = 4 * 1024 * 1024

_SENTENCES: Mapping[LineError, str] = {
    LineError.SYNTAX: "not JSON",
    LineError.NOT_AN_OBJECT: "JSON, but no object",
    LineError.TRAILING: "something stands after the object",
    LineError.TYPE: "a value of another type than the column's",
    LineError.RANGE: "a value that the column cannot hold",
    LineError.DUPLICATE_KEY: "the key stands twice in one object",
    LineError.NULL: "null in a column that is not nullable",
    LineError.MISSING: "no value for a column that is not nullable",
    LineError.UTF8: "bytes that are not UTF-8",
    LineError.ESCAPE: "an escape that JSON does not have, or half of a surrogate pair",
    LineError.CONTROL_CHARACTER: "a raw control character inside a string",
    LineError.NOT_A_NUMBER: "NaN or an infinity",
    LineError.BOM: "a byte order mark elsewhere than at the start of the file",
    LineError.DEPTH: "nested deeper than the limit",
    LineError.TOO_LONG: "longer than the limit",
}


class FileLetters:
    """The encoded dead letters of one file; many of them go to the disk."""

    def __init__(self, file: FileVersion, plan: Plan, directory: Path) -> None:
        self._file = file
        self._plan = plan
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # whoever merges the file closes it
            _IN_MEMORY, dir=str(directory)
        )
        self.count = 0

    def add_line(self, bad: RejectedLine, raw: bytes) -> None:
        """Record a rejected line with what was kept of its bytes."""
        text, in_base64 = payload_of(raw)
        letter = DeadLetter(
            id=self._id(bad.line),
            stage="decode",
            error_class=bad.error,
            message=describe(bad),
            column=bad.column,
            line=bad.line,
            offset=bad.offset,
            length=bad.length,
            position=bad.position,
            complete=len(raw) == bad.length,
            payload=text,
            payload_b64=in_base64,
            **self._common(),
        )
        self._write(letter)

    def add_file(self, error: CorruptFileError) -> None:
        """Record that the whole file gave no row."""
        letter = DeadLetter(
            id=self._id(0),
            stage="read",
            error_class=error.error,
            message=error.detail,
            length=self._file.size,
            complete=False,
            **self._common(),
        )
        self._write(letter)

    def _id(self, line: int) -> str:
        return (
            f"{self._plan.pipeline}/{self._plan.seq}/{self._file.source}/{self._file.name}:{line}"
        )

    def _common(self) -> dict[str, Any]:
        return {
            "at": self._plan.planned_at,
            "pipeline": self._plan.pipeline,
            "lane": self._plan.lane,
            "seq": self._plan.seq,
            "source": self._file.source,
            "name": self._file.name,
            "version": self._file.version,
        }

    def _write(self, letter: DeadLetter) -> None:
        self._spool.write(letter.encode() + b"\n")
        self.count += 1

    def clear(self) -> None:
        """Forget all of them."""
        self._spool.seek(0)
        self._spool.truncate()
        self.count = 0

    def rewound(self) -> BinaryIO:
        """All of them, one per line, from the start."""
        self._spool.seek(0)
        return cast("BinaryIO", self._spool)

    def close(self) -> None:
        """Give back memory and disk. Safe to call twice."""
        self._spool.close()


def describe(bad: RejectedLine) -> str:
    """One sentence about a rejected line."""
    column = f"{bad.column}: " if bad.column else ""
    return f"line {bad.line}, byte {bad.position}: {column}{_SENTENCES[bad.error]}"
