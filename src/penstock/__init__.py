"""Penstock: work flows through stages joined by bounded channels.

The names below are loaded when first used, so that `import penstock` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.base import RetryPolicy

__version__ = "0.1.0"

_HOMES = {
    "RetryPolicy": "penstock.base",
}

__all__ = ["RetryPolicy", "__version__"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
