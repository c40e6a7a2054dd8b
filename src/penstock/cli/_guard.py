"""Where a command ends, however it ends: with a code, and one clear sentence on standard error."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol, cast

from penstock.base import MissingExtraError, PenstockError
from penstock.cli._exits import INTERRUPTED

_EXTRAS = {
    "backports": "lake",
    "cel": "workflow",
    "deltalake": "lake",
    "duckdb": "lake",
    "isal": "lake",
    "obstore": "lake",
    "pyarrow": "lake",
}

_SETTINGS = {"OPENBLAS_NUM_THREADS": "1"}
"""Read by libraries while they are loaded."""
if sys.platform == "linux":
    # What one thread decodes another writes and frees; a tenth less at the peak than with mimalloc.
    _SETTINGS["ARROW_DEFAULT_MEMORY_POOL"] = "jemalloc"


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
        with _quick_imports():
            return cast("_Command", getattr(import_module(module), name))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        raise MissingExtraError(missing, _EXTRAS[missing]) from error


@contextmanager
def _quick_imports() -> Iterator[None]:
    """Half the time of loading a command goes into two things that none of them needs.

    They are the collector, which looks for garbage among modules that stay for ever, and the
    threads that OpenBLAS starts below numpy. What the user has set stays, and processes started
    later see no difference.
    """
    ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    gc.disable()
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
        gc.freeze()
        gc.enable()


def _reader_gone() -> int:
    """`penstock files ... | head` had enough: no failure, and nothing more to say at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
