"""Where a command ends, however it ends: with a code, and one clear sentence on standard error."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from penstock.base import MissingExtraError, PenstockError
from penstock.cli._exits import INTERRUPTED
from penstock.cli._loading import over, quick_imports

_EXTRAS = {
    "backports": "lake",
    "cel": "workflow",
    "deltalake": "lake",
    "duckdb": "lake",
    "isal": "lake",
    "obstore": "lake",
    "pyarrow": "lake",
}


class _Command(Protocol):
    def __call__(self, **options: object) -> int: ...


def perform(module: str, name: str, options: Mapping[str, object]) -> int:
    """Load a command, the function `name` of `module`, and run it; the exit code."""
    try:
        code = _load(module, name)(**options)
        sys.stdout.flush()
    except PenstockError as error:
        sys.stderr.write(f"penstock: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    return code


def _load(module: str, name: str) -> _Command:
    try:
        with quick_imports():
            return cast("_Command", getattr(import_module(module), name))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        raise MissingExtraError(missing, _EXTRAS[missing]) from error
    finally:
        over()


def _reader_gone() -> int:
    """`penstock files ... | head` had enough: no failure, and nothing more to say at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
