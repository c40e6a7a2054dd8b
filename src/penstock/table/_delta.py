"""Delta Lake, through deltalake."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction

from penstock.storage import reason_of
from penstock.table._errors import (
    CommitUnknownError,
    ConflictError,
    SchemaError,
    TableMissingError,
    TableUnavailableError,
)
from penstock.table._lake import DataFile, LakeTable, TableSnapshot

# deltalake's own automatic checkpoints would be a second owner of them in every committer.
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class DeltaSnapshot(TableSnapshot):
    """One version, as it was read from the log."""

    def __init__(self, handle: DeltaTable) -> None:
        self.handle = handle

    @property
    def version(self) -> int:
        return int(self.handle.version())

    @property
    def table_id(self) -> str:
        return str(self.handle.metadata().id)

    def transaction_version(self, application: str) -> int:
        return int(self.handle.transaction_version(application) or 0)


class DeltaLakeTable(LakeTable):
    """A Delta table. Every snapshot is read afresh, so that a table made anew is noticed.

    No transaction retention is set: the table remembers for ever what was committed.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        """Name a table; nothing is read yet.

        Args:
            url: A local path or a URL that deltalake knows.
            options: deltalake's storage options.
        """
        self._url = str(Path(url).absolute()) if "://" not in url else url
        self._options = dict(options or {})
        if self._url.startswith(("s3://", "s3a://")):
            # Without it a commit to S3 would need a lock table.
            self._options.setdefault("aws_conditional_put", "etag")
        if "://" in self._url:
            # Its own ten attempts would hide for minutes that a store fails; whoever calls us backs off.
            self._options.setdefault("max_retries", "3")
            self._options.setdefault("retry_timeout", "30s")

    @property
    def url(self) -> str:
        return self._url

    def create(self, schema: pa.Schema) -> None:
        """Make the table unless there is one; of several rivals one makes it.

        Raises:
            SchemaError: There is one, and its columns do not fit `schema`.
            TableUnavailableError: It can neither be made nor read now.
        """
        try:
            found = self._open().schema()
        except TableMissingError:
            found = self._make(schema)
        differences = tuple(_differences(Schema.from_arrow(schema), found))
        if differences:
            raise SchemaError(self._url, differences)

    def snapshot(self) -> DeltaSnapshot:
        return DeltaSnapshot(self._open())

    def commit(
        self,
        snapshot: TableSnapshot,
        *,
        adds: Sequence[DataFile],
        transactions: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        assert isinstance(snapshot, DeltaSnapshot)  # noqa: S101 - our own snapshots come back to us
        properties = CommitProperties(
            custom_metadata=dict(metadata),
            app_transactions=[Transaction(app, number) for app, number in transactions.items()],
        )
        try:
            snapshot.handle.create_write_transaction(
                [_action(file) for file in adds],
                "append",
                snapshot.handle.schema(),
                commit_properties=properties,
                post_commithook_properties=_NO_HOOKS,
            )
        except CommitFailedError as error:
            raise _refused(self._url, error) from error
        except (DeltaError, OSError) as error:
            raise CommitUnknownError(self._url, reason_of(error)) from error

    def files(self) -> Sequence[str]:
        with self._readable():
            return sorted(pa.table(self._open().get_add_actions()).column("path").to_pylist())

    def checkpoint(self) -> None:
        with self._readable():
            handle = self._open()
            handle.create_checkpoint()
            handle.cleanup_metadata()

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of the newest version, in no order; for tests and small tables."""
        with self._readable():
            dataset = self._open().to_pyarrow_dataset()
            return dataset.to_table(columns=None if columns is None else list(columns))

    def _make(self, schema: pa.Schema) -> Schema:
        try:
            if "://" not in self._url:
                Path(self._url).mkdir(parents=True, exist_ok=True)
            made = DeltaTable.create(
                self._url,
                schema=schema,
                storage_options=self._options,
                # A retry would be a second version with an id of its own, and void the first one's.
                commit_properties=CommitProperties(max_commit_retries=0),
                post_commithook_properties=_NO_HOOKS,
            )
        except (DeltaError, OSError) as error:
            return self._made_by_another(error)
        return made.schema()

    def _made_by_another(self, error: DeltaError | OSError) -> Schema:
        """The columns of a table that a rival made first, or whose answer was lost."""
        try:
            return self._open().schema()
        except TableMissingError:
            raise TableUnavailableError(self._url, reason_of(error)) from error

    def _open(self) -> DeltaTable:
        with self._readable():
            return DeltaTable(self._url, storage_options=self._options)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except TableNotFoundError as error:
            raise TableMissingError(self._url) from error
        except (DeltaError, OSError) as error:
            if _names_nothing(self._url):
                raise TableMissingError(self._url) from error
            raise TableUnavailableError(self._url, reason_of(error)) from error


def _names_nothing(url: str) -> bool:
    """Whether a local table's log is not there; deltalake reports that in several ways."""
    return "://" not in url and not (Path(url) / "_delta_log").is_dir()


def _action(file: DataFile) -> AddAction:
    modified = int(file.modified.timestamp() * 1000)
    return AddAction(file.name, file.size, {}, modified, True, file.stats)  # noqa: FBT003 - data_change


def _refused(url: str, error: CommitFailedError) -> ConflictError | CommitUnknownError:
    """Only a conflict is known to have written nothing."""
    first, reason = str(error).partition("\n")[0], reason_of(error)
    known = "Concurrent" in first or "conflict" in first.lower()
    return ConflictError(url, reason) if known else CommitUnknownError(url, reason)


def _differences(declared: Schema, found: Schema) -> Iterator[str]:
    theirs = {field.name: field for field in found.fields}
    for field in declared.fields:
        other = theirs.pop(field.name, None)
        if other is None:
            yield f"column {field.name!r} is not in the table"
        elif other.type != field.type:
            yield f"column {field.name!r} is {_type(other.type)} in the table and {_type(field.type)} in the schema"
        elif field.nullable and not other.nullable:
            yield f"column {field.name!r} may be null in the schema and not in the table"
    for name, other in theirs.items():
        if not other.nullable:
            yield f"the table's column {name!r} may not be null and is not in the schema"


def _type(kind: object) -> str:
    return str(kind).removeprefix("PrimitiveType(").removesuffix(")")
