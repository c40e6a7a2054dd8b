"""What makes loading a command quick, and is over when the command runs."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

_SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",  # no threads for an arithmetic that no command does
    "PYDANTIC_DISABLE_PLUGINS": "__all__",  # looked for in the metadata of all that is installed
}
"""Read by libraries while they are loaded."""
if sys.platform == "linux":
    # What one thread decodes another writes and frees; a tenth less at the peak than with mimalloc.
    _SETTINGS["ARROW_DEFAULT_MEMORY_POOL"] = "jemalloc"

_ABSENT = (
    "numpy",  # a third of the time that pyarrow takes to load
    *(
        f"pyarrow._{store}" for store in ("azurefs", "gcsfs", "hdfs", "s3fs")
    ),  # obstore is our client
)
"""Loaded by libraries that can do without, and needed by no command."""


_PLUGINS = "pydantic.plugin._loader"
"""Loads `importlib.metadata`, with `email` and `zipfile` below it, before it asks for that setting."""

_begun = ExitStack()


@contextmanager
def quick_imports() -> Iterator[None]:
    """Half the time of loading a command goes into what none of them needs.

    That is the collector, which looks for garbage among modules that stay for ever, and what
    libraries do because they might be asked for it. What the user has set stays, and neither
    processes started later nor code loaded later see a difference.
    """
    ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    found = dict.fromkeys(_ABSENT) | {_PLUGINS: _no_plugins()}  # None: not to be found
    found = {name: module for name, module in found.items() if name not in sys.modules}
    collecting = gc.isenabled()
    gc.disable()
    os.environ.update(ours)
    sys.modules.update(found)  # type: ignore[arg-type]  # typed as if all could be found
    try:
        yield
    finally:
        for name in found:
            del sys.modules[name]
        for name in ours:
            del os.environ[name]
        if collecting:
            gc.enable()


def begin() -> None:
    """Let imports be quick until it is `over`."""
    _begun.enter_context(quick_imports())


def over() -> None:
    """All is as usual again; and the collector never looks at what has been loaded."""
    gc.freeze()
    _begun.close()


def _no_plugins() -> ModuleType:
    loader = ModuleType(_PLUGINS)
    vars(loader)["get_plugins"] = tuple
    return loader
