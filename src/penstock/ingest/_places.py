"""The stores of one pipeline, opened: its table's root, its dead letters, its sources."""

from collections.abc import Mapping

from penstock.base import Value
from penstock.ingest._config import PipelineConfig
from penstock.ingest._layout import STATE_FOLDER
from penstock.storage import ObjectStore, StoragePool
from penstock.table import DeltaLakeTable


class Places(Value):
    """Where a pipeline reads and writes. Opening reads and writes nothing."""

    root: ObjectStore
    """Over the table's root."""

    table: DeltaLakeTable
    """The table."""

    dead_letters: ObjectStore
    """Over the root of the dead letters."""

    sources: Mapping[str, ObjectStore]
    """By the source's key."""

    @classmethod
    def open(cls, key: str, config: PipelineConfig, pool: StoragePool) -> "Places":
        """The places of the pipeline `key`.

        Raises:
            LocationError: A URL or its options name no store.
        """
        sink, errors = config.sink, config.error_handling
        options = errors.dlq_storage_options if errors.dlq_path else sink.storage_options
        letters = errors.dlq_path or f"{sink.table_uri}/{STATE_FOLDER}/{key}/dlq"
        return cls(
            root=pool.open(sink.table_uri, sink.storage_options),
            table=DeltaLakeTable(sink.table_uri, sink.storage_options),
            dead_letters=pool.open(letters, options),
            sources={
                name: pool.open(source.path, source.storage_options)
                for name, source in config.sources.items()
            },
        )
