"""Penstock: work flows through stages joined by bounded channels.

The names below are loaded when first used, so that `import penstock` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.base import RetryPolicy
    from penstock.flow import (
        Drop,
        FatalError,
        Flow,
        FlowReport,
        Message,
        PoisonError,
        RateLimit,
        key,
        merge,
        route,
        stage,
        tee,
    )

__version__ = "0.1.0"

_HOMES = {
    "Drop": "penstock.flow",
    "FatalError": "penstock.flow",
    "Flow": "penstock.flow",
    "FlowReport": "penstock.flow",
    "Message": "penstock.flow",
    "PoisonError": "penstock.flow",
    "RateLimit": "penstock.flow",
    "RetryPolicy": "penstock.base",
    "key": "penstock.flow",
    "merge": "penstock.flow",
    "route": "penstock.flow",
    "stage": "penstock.flow",
    "tee": "penstock.flow",
}

__all__ = [
    "Drop",
    "FatalError",
    "Flow",
    "FlowReport",
    "Message",
    "PoisonError",
    "RateLimit",
    "RetryPolicy",
    "__version__",
    "key",
    "merge",
    "route",
    "stage",
    "tee",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
