"""Table commits: finished files become rows, together with the number of the work that made them.

Owns: the `LakeTable` port and its Delta adapter, the form of a void.
Promises: a commit is whole or not at all; a refused one (`ConflictError`) has written nothing; one
without an answer (`CommitUnknownError`) is never taken for a failure.
Does not: retry a commit, check that files exist, or decide what is committed: the caller looks at
`transaction_version` of the same snapshot first.
"""

from penstock.table._delta import DeltaLakeTable, DeltaSnapshot
from penstock.table._errors import (
    CommitUnknownError,
    ConflictError,
    SchemaError,
    TableError,
    TableMissingError,
    TableUnavailableError,
)
from penstock.table._lake import DataFile, LakeTable, TableSnapshot, is_void, void_application

__all__ = [
    "CommitUnknownError",
    "ConflictError",
    "DataFile",
    "DeltaLakeTable",
    "DeltaSnapshot",
    "LakeTable",
    "SchemaError",
    "TableError",
    "TableMissingError",
    "TableSnapshot",
    "TableUnavailableError",
    "is_void",
    "void_application",
]
