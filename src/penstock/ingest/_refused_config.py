"""Keys that other ingest programs have and this one has not, and what to write instead."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock.base import Document, Problem, Value

KeyPath = tuple[str | int, ...]


class _Refusal(Value):
    places: tuple[str, ...]
    """Dotted paths of what may hold the key; `*` stands for any key, an empty path for the file."""

    key: str

    message: str
    instead: str
    harmless: tuple[object, ...] = ()
    """Values that ask for what happens anyway; the key is then passed over."""


_ROOT = ("",)
_SOURCE = ("source", "pipelines.*.source", "pipelines.*.sources.*")
_SINK = ("sink", "pipelines.*.sink")
_PIPELINE = (*_ROOT, "pipelines.*")
_TABLE = ("tables.*",)

_KEYS = (
    _Refusal(_SOURCE, "source_uri", "a source has no source_uri", "write path"),
    _Refusal(
        _SOURCE,
        "max_concurrent_files",
        "the limit belongs to the pipeline",
        "write max_concurrent_files beside sources",
    ),
    _Refusal(
        _SOURCE,
        "batch_size",
        "batches are cut by bytes, not by rows, so that wide rows need no more memory",
        "leave it out; write sink.row_group_rows for the row groups of the Parquet files",
    ),
    _Refusal(
        _SOURCE,
        "use_watermark",
        "progress is always kept with the table, and names may come in any order",
        "leave it out",
        harmless=(True,),
    ),
    _Refusal(
        _SOURCE,
        "checkpoint",
        "progress is written with every plan, not every so often",
        "write plan: {max_files: 100, max_age: 30s} in the pipeline",
    ),
    _Refusal(_SINK, "path", "a sink has no path", "write table_uri"),
    _Refusal(
        _SINK,
        "row_group_size_bytes",
        "row groups are counted in rows, so that repeated work gives the same file",
        "write row_group_rows",
    ),
    _Refusal(
        _SINK,
        "partition_by",
        "partitioned tables are not written yet",
        "leave it out: readers skip files by the minimum and maximum of each column, which are in the table's log",
    ),
    _Refusal(
        _SINK,
        "rollover_timeout_secs",
        "a Parquet file ends with its plan at the latest",
        "write plan: {max_age: 30s} in the pipeline",
    ),
    _Refusal(
        _ROOT + _SINK + _TABLE,
        "part_size_mb",
        "large files are uploaded in parts without being asked",
        "leave it out; write sink.max_concurrent_uploads to limit uploads",
    ),
    _Refusal(
        _ROOT + _SINK + _TABLE,
        "min_multipart_size_mb",
        "large files are uploaded in parts without being asked",
        "leave it out; write sink.max_concurrent_uploads to limit uploads",
    ),
    _Refusal(
        _ROOT + _SINK + _TABLE,
        "max_concurrent_parts",
        "large files are uploaded in parts without being asked",
        "leave it out; write sink.max_concurrent_uploads to limit uploads",
    ),
    _Refusal(
        _PIPELINE,
        "sink_parallelism",
        "rows are written in one order, so that repeated work gives the same file",
        "write max_concurrent_files for decoding and sink.max_concurrent_uploads for uploads",
    ),
    _Refusal(
        _PIPELINE,
        "schema.infer",
        "schemas are not inferred yet",
        "write schema.fields",
        harmless=(False,),
    ),
    _Refusal(
        _PIPELINE,
        "schema.coerce_conflicts_to_utf8",
        "a value of another type is a dead letter, never turned into text in silence",
        "declare the field with type: json, which takes any value",
        harmless=(False,),
    ),
    _Refusal(
        ("metrics",),
        "enabled",
        "metrics are served where there is an address",
        "write metrics: {address: '127.0.0.1:9090'}, or no metrics at all",
    ),
    _Refusal(
        _PIPELINE + _SINK + _TABLE,
        "app_id",
        "the application id is made from the key of the pipeline",
        "leave it out; a backfill is a pipeline with a key of its own",
    ),
    _Refusal(
        _PIPELINE + _SINK + _TABLE,
        "delta_checkpoint_interval",
        "checkpoints follow the table's own property",
        "leave it out; set the property delta.checkpointInterval on the table",
    ),
    _Refusal(
        _PIPELINE + _SINK + _TABLE,
        "schema_evolution",
        "a table whose columns differ from the declared ones is refused",
        "leave it out; add the column to the table, then to schema.fields",
    ),
    _Refusal(
        _TABLE,
        "table_uri",
        "the pipeline commits its files itself",
        "write pipelines.<key>.sink.table_uri",
    ),
    _Refusal(
        _TABLE,
        "poll_interval_secs",
        "a plan is committed as soon as it is sealed, nothing polls for it",
        "write pipelines.<key>.sources.<name>.poll_interval_secs for new files",
    ),
    _Refusal(_TABLE, "partition_by", "partitioned tables are not written yet", "leave it out"),
    _Refusal(
        _TABLE,
        "partition_filter",
        "a table's directory is not searched, its plans name the files",
        "write pipelines.<key>.sources.<name>.partition_filter for source files",
    ),
    _Refusal(
        _TABLE,
        "storage_options",
        "the pipeline commits its files itself",
        "write pipelines.<key>.sink.storage_options",
    ),
    _Refusal(
        _TABLE,
        "max_concurrent_uploads",
        "the pipeline commits its files itself",
        "write pipelines.<key>.sink.max_concurrent_uploads",
    ),
    _Refusal(
        _ROOT,
        "tables",
        "there is no second process that commits",
        "write pipelines.<key> with sources, schema and sink",
    ),
)


def refuse(document: Document) -> tuple[Document, list[Problem]]:
    """Find the keys of other programs.

    Returns:
        The document without them, so that nobody complains about them again, and their problems.
    """
    problems: list[Problem] = []
    dropped: set[KeyPath] = set()
    for refusal in _KEYS:
        for place in refusal.places:
            pattern = f"{place}.{refusal.key}".split(".")
            for path, value in _matches(document.data, [part for part in pattern if part]):
                dropped.add(path)
                if not _harmless(value, refusal):
                    problems.append(document.problem(path, refusal.message, refusal.instead))
    data = _without(document.data, dropped, ())
    return Document(document.file, data, document.lines), problems


def _harmless(value: object, refusal: _Refusal) -> bool:
    return any(value is allowed for allowed in refusal.harmless)


def _matches(data: Any, pattern: list[str], path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    if not pattern:
        yield path, data
        return
    if not isinstance(data, Mapping):
        return
    keys = data if pattern[0] == "*" else [key for key in (pattern[0],) if key in data]
    for key in keys:
        yield from _matches(data[key], pattern[1:], (*path, key))


def _without(data: Any, dropped: set[KeyPath], path: KeyPath) -> Any:
    if not isinstance(data, Mapping):
        return data
    return {
        key: _without(value, dropped, (*path, key))
        for key, value in data.items()
        if (*path, key) not in dropped
    }
