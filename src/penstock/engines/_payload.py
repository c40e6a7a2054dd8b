"""Results that are too large for a row: kept in a file, and named by what is in it."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any, Final

from penstock.files import write_atomic

INLINE_BYTES: Final = 64 * 1024
"""Largest result, as JSON, that is kept in its row."""

_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_REFERENCE: Final = "$penstock.result"


class Payloads:
    """Large results in a directory. Equal results share a file; none is ever changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, value: Any) -> tuple[Any, Any]:
        """Return what to keep in the row, and what `get` gives for it once it was read back.

        The first is the value, or a reference to it, durable by then.
        """
        if value is None:
            return None, None
        text = _JSON.encode(value)
        data, read = text.encode(), json.loads(text)
        if len(data) <= INLINE_BYTES:
            return value, await self.get(read)
        digest = hashlib.sha256(data).hexdigest()
        await asyncio.to_thread(self._write, digest, data)
        return {_REFERENCE: digest, "bytes": len(data)}, read

    async def get(self, kept: Any) -> Any:
        """Return the value behind what `put` gave; items of a list are looked at one by one."""
        if isinstance(kept, list):
            return [await self.get(item) for item in kept]
        if not isinstance(kept, dict) or kept.keys() != {_REFERENCE, "bytes"}:
            return kept
        path = self._directory / f"{kept[_REFERENCE]}.json"
        return json.loads(await asyncio.to_thread(path.read_bytes))

    def _write(self, digest: str, text: bytes) -> None:
        path = self._directory / f"{digest}.json"
        if not path.exists():
            write_atomic(path, text)
