"""Plans over files in memory, for the tests of what is made of them."""

import io
from contextlib import contextmanager
from datetime import UTC, datetime

import pyarrow as pa
from msgspec.structs import replace

from penstock.ingest._plan import FileVersion, Plan, WriterSettings

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        ("name", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)


def writer_settings(**changes):
    usual = WriterSettings(
        codec="zstd", file_size=1 << 20, row_group_rows=10_000, spill_limit=1 << 20
    )
    return replace(usual, **changes)


def lines(first, count):
    """Good lines for `SCHEMA`, ids from `first` on."""
    return b"".join(
        b'{"id":%d,"name":"n%d","at":"2024-01-01T00:00:00"}\n' % (number, number)
        for number in range(first, first + count)
    )


class MemoryFiles:
    """An opener over files in memory; an error in place of bytes is raised."""

    def __init__(self, **files):
        self._files = {name.replace("_", "."): content for name, content in files.items()}
        self.open_count = 0

    def plan(self, **settings):
        return Plan(
            pipeline="flights",
            seq=7,
            lane="penstock/flights",
            table_id="t",
            schema_id="s",
            planned_at=datetime(2024, 1, 1, tzinfo=UTC),
            files=tuple(
                FileVersion(source="main", name=name, size=1, version="v") for name in self._files
            ),
            writer=writer_settings(**settings),
        )

    @contextmanager
    def open_file(self, file):
        content = self._files[file.name]
        if isinstance(content, Exception):
            raise content
        self.open_count += 1
        try:
            yield io.BytesIO(content)
        finally:
            self.open_count -= 1
