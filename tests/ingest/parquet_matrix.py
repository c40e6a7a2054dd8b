"""A small file for each way to write Parquet, with every declared type in it: food for other readers."""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.ingest import SchemaConfig
from penstock.ingest._parquet import RollingWriter
from penstock.ingest._plan import DictionaryUse, IntegerEncoding, WriterSettings
from penstock.ingest._schema_config import SCALARS
from penstock.ingest._sink_config import Codec

_MEMBERS: list[dict[str, Any]] = [
    {"name": "n", "type": "int32", "nullable": False},
    {"name": "texts", "type": "list<string>"},
    {"name": "deep", "type": "struct", "fields": [{"name": "at", "type": "timestamp"}]},
]
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "int64", "nullable": False},
    {"name": "key", "type": "string", "nullable": False},
    *({"name": f"c_{name}", "type": name} for name in SCALARS),
    *({"name": f"l_{name}", "type": f"list<{name}>"} for name in SCALARS),
    {"name": "o", "type": "struct", "fields": _MEMBERS},
    {"name": "lo", "type": "list<struct>", "fields": _MEMBERS},
    {"name": "ll", "type": "list<list<int64>>"},
]
"""Every declared type: alone, in a list, in a struct, in a struct in a list; a list of lists."""

SCHEMA = SchemaConfig.model_validate({"fields": FIELDS}).to_arrow()

_TEXTS = ("", "a", "naïve €😀", "z" * 40)
_MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)


def scalar(name: str, n: int) -> Any:
    """The n-th value of a type, extremes among them; as `to_pylist` gives it."""
    signs = (1, -1)
    values: dict[str, Any] = {
        "string": _TEXTS[n % 4],
        "int32": (0, -(2**31), 2**31 - 1, 7)[n % 4],
        "int64": (0, -(2**63), 2**63 - 1, n)[n % 4],
        "float32": n * 0.125 * signs[n % 2],
        "float64": (n / 3, -1e308, 5e-324, -0.0)[n % 4],
        "boolean": n % 3 == 0,
        "timestamp": (_MOMENT + timedelta(microseconds=n), datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))[n % 3],
        "date": (date(2024, 1, 1) + timedelta(days=n), date(1, 1, 1), date(9999, 12, 31))[n % 3],
        "json": f'{{"k": [{n}]}}',
        "binary": bytes([0, n % 256, 255])[: n % 4],
    }  # fmt: skip
    return values[name]


def _struct(n: int) -> dict[str, Any] | None:
    if n % 5 == 0:
        return None
    texts = None if n % 3 == 0 else [_TEXTS[n % 4], None][: n % 3]
    deep = None if n % 4 == 0 else {"at": None if n % 7 == 0 else scalar("timestamp", n)}
    return {"n": n, "texts": texts, "deep": deep}


def row(n: int) -> dict[str, Any]:
    """Values, nulls, empty lists and nulls inside lists, in turns of different lengths."""
    made: dict[str, Any] = {"id": n, "key": f"key {n}"}
    for shift, name in enumerate(SCALARS):
        made[f"c_{name}"] = None if (n + shift) % 6 == 0 else scalar(name, n // 2)
        items = [scalar(name, n), None, scalar(name, n + 1)][: (n + shift) % 4]
        made[f"l_{name}"] = None if (n + shift) % 9 == 0 else items
    made["o"] = _struct(n)
    made["lo"] = None if n % 8 == 0 else [_struct(n + 1), _struct(n)][: n % 3]
    made["ll"] = None if n % 10 == 0 else [[n, None], None, [], [-n]][: n % 5]
    return made


ROWS = [row(n) for n in range(300)]
"""What each file holds, in two row groups."""


def settings() -> Iterator[tuple[str, WriterSettings]]:
    """Every setting that a configuration may have, with a name that can stand in a file name."""
    for codec, use, integers in itertools.product(Codec, DictionaryUse, IntegerEncoding):
        if (use, integers) == (DictionaryUse.ALL, IntegerEncoding.DELTA):
            continue
        yield (
            f"{codec.value}-{use.value}-{integers.value}",
            WriterSettings(
                codec=codec.value,
                file_size=1 << 30,
                row_group_rows=200,
                spill_limit=1,
                dictionary=use,
                integer_encoding=integers,
            ),
        )


def write_matrix(directory: Path) -> dict[str, Path]:
    """Write `ROWS` in every way; the files by the names of their settings."""
    batch = pa.RecordBatch.from_pylist(ROWS, SCHEMA)
    files = {}
    for name, how in settings():
        path = directory / f"{name}.parquet"
        writer = RollingWriter(lambda path=path: path, SCHEMA, how)
        writer.write(batch)
        writer.finish()
        files[name] = path
    return files
