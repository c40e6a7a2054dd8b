"""Exit codes: one table from errors to codes, the same for all commands."""

from penstock.base import ConfigError, MissingExtraError, PenstockError, RecordError
from penstock.store import NewerStoreError
from penstock.telemetry import AddressError
from penstock.topology import DamagedStateError, FailureLimitError
from penstock.workflow import validation

DONE = 0
FAILED = 1
USAGE = 2
LIMIT = 3
DEADLINE = 4
DAMAGED = 5
INTERRUPTED = 130

_CODES: tuple[tuple[type[PenstockError], int], ...] = (
    (ConfigError, USAGE),
    (MissingExtraError, USAGE),
    (validation.DefinitionError, USAGE),
    (validation.NotRunnableError, USAGE),
    (NewerStoreError, USAGE),
    (AddressError, USAGE),
    (FailureLimitError, LIMIT),
    (DamagedStateError, DAMAGED),
    (RecordError, DAMAGED),
)


def code_of(error: PenstockError) -> int:
    """The exit code of a command that ended in `error`: the first row it belongs to, else 1."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
