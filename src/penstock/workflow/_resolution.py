"""The answer to `ResolveStep`: whether a step is wanted, and over which items it goes."""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.base import Value
from penstock.workflow._definition_config import StepConfig
from penstock.workflow._errors import ExpressionError
from penstock.workflow._event import NotResolved, Resolved
from penstock.workflow._expression import parse_template


class Resolution(Value):
    """What an engine tells the kernel, and keeps for itself."""

    event: Resolved | NotResolved
    items: Sequence[Any] = ()
    """The items of a map, by their number; empty without `map`."""


def resolve(name: str, step: StepConfig, values: Mapping[str, Any]) -> Resolution:
    """Evaluate `when`, and `map.over` if the step is wanted.

    Args:
        name: Of the step.
        step: Its definition.
        values: `params`, `steps`, `run` and `interval`, as its expressions see them.
    """
    try:
        wanted = (
            parse_template(step.when).evaluate(values) if isinstance(step.when, str) else step.when
        )
        if wanted is not None and not isinstance(wanted, bool):
            return _unusable(name, f"expected true or false from when, got {wanted!r}")
        if wanted is False:
            return Resolution(Resolved(name, wanted=False))
        if step.map is None:
            return Resolution(Resolved(name))
        items = parse_template(step.map.over).evaluate(values)
    except ExpressionError as error:
        return _unusable(name, str(error))
    if not isinstance(items, list):
        return _unusable(name, f"expected a list from map.over, got {items!r}")
    return Resolution(Resolved(name, items=len(items)), items)


def _unusable(name: str, message: str) -> Resolution:
    return Resolution(NotResolved(name, message))
