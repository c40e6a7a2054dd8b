"""What makes loading a command quick, and is over when the command runs."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",  # no threads for an arithmetic that no command does
    "PYDANTIC_DISABLE_PLUGINS": "__all__",  # looked for in the metadata of all that is installed
}
"""Read by libraries while they are loaded."""
if sys.platform == "linux":
    # What one thread decodes another writes and frees; a tenth less at the peak than with mimalloc.
    _SETTINGS["ARROW_DEFAULT_MEMORY_POOL"] = "jemalloc"

_ABSENT = ("numpy",)
"""Loaded by libraries that can do without, and needed by no command: for pyarrow a third of its time."""


@contextmanager
def quick_imports() -> Iterator[None]:
    """Half the time of loading a command goes into what none of them needs.

    That is the collector, which looks for garbage among modules that stay for ever, and what
    libraries do because they might be asked for it. What the user has set stays, and neither
    processes started later nor code loaded later see a difference.
    """
    ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    absent = [name for name in _ABSENT if name not in sys.modules]
    gc.disable()
    os.environ.update(ours)
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
        for name in ours:
            del os.environ[name]
        gc.freeze()
        gc.enable()
