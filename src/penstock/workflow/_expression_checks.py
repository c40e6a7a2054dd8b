"""What the expressions of a definition refer to: parameters, steps, secrets that must exist."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from penstock.base import Value, suggest
from penstock.workflow._checks import needs_of, steps_of
from penstock.workflow._errors import ExpressionError
from penstock.workflow._expression import Reference, parse_template
from penstock.workflow._finding import Checks, Findings, Place

_ROOTS: Final = ("interval", "params", "run", "secrets", "steps")

_FIELDS: Final = {"run": ("id", "key", "trigger"), "steps": ("failed_items", "outputs", "state")}
"""What is known of a run, and of each step."""


class _Scope(Value):
    """What may be referred to at one place."""

    roots: tuple[str, ...]
    step: str
    """Empty outside of steps."""

    upstream: frozenset[str]
    """Steps that are certain to have ended."""


def check_expressions(data: Any, checks: Checks, findings: Findings) -> None:
    """Look at every string of the document.

    Args:
        data: The parsed document.
        checks: Which secrets there are.
        findings: Where faults go.
    """
    steps = steps_of(data)
    needs = needs_of(steps)
    parameters = _parameters(data)
    for place, text in _strings(data, ()):
        scope = _scope(place, steps, needs)
        try:
            expressions = parse_template(text).expressions
        except ExpressionError as error:
            offset = max(error.column - 1, 0)
            hint = "expressions are CEL: https://cel.dev"
            findings.add("EXPRESSION", place, str(error), hint, near=error.source, offset=offset)
            continue
        for expression in expressions:
            for reference in expression.references:
                known = (parameters, steps, checks)
                _check_reference(reference, scope, known, place, findings)
                _check_field(reference, place, findings)
    _check_fields(steps, findings)


def _check_fields(steps: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    """Fields that are nothing but one expression."""
    for name, step in steps.items():
        rule = step.get("map")
        over = rule.get("over") if isinstance(rule, dict) else None
        fields = ((("when",), step.get("when")), (("map", "over"), over))
        for keys, value in fields:
            if isinstance(value, str) and not _is_lone(value):
                message = f"expected one expression and nothing else, got {value!r}"
                hint = f"write ${{{{ {value} }}}}"
                findings.add("NOT_AN_EXPRESSION", ("spec", "steps", name, *keys), message, hint)


def _check_reference(
    reference: Reference,
    scope: _Scope,
    known: tuple[Collection[str], Collection[str], Checks],
    place: Place,
    findings: Findings,
) -> None:
    parameters, steps, checks = known
    root, *rest = reference
    near = ".".join(reference[:2])
    name = rest[0] if rest else ""
    if root not in scope.roots:
        message = f"there is nothing called {root!r}"
        findings.add("UNKNOWN_NAME", place, message, suggest(root, scope.roots), near=root)
    elif root == "params" and name and name not in parameters:
        message = f"there is no parameter {name!r}"
        findings.add(
            "UNKNOWN_PARAMETER", place, message, suggest(name, sorted(parameters)), near=near
        )
    elif root == "secrets" and name:
        _check_secret(name, checks, place, findings)
    elif root == "steps" and name and name not in steps:
        message = f"there is no step {name!r}"
        findings.add("UNKNOWN_STEP", place, message, suggest(name, sorted(steps)), near=near)
    elif root == "steps" and name and name not in scope.upstream:
        message = f"{name!r} need not have ended by then"
        findings.add(
            "NOT_UPSTREAM", place, message, f"add it to needs of {scope.step!r}", near=near
        )


def _check_secret(name: str, checks: Checks, place: Place, findings: Findings) -> None:
    if checks.secrets is None or name in checks.secrets:
        return
    way_in = checks.secret_hint.format(name=name, NAME=name.upper())
    hint = "; ".join(filter(None, (suggest(name, sorted(checks.secrets)), way_in)))
    near = f"secrets.{name}"
    findings.add("MISSING_SECRET", place, f"there is no secret {name!r}", hint, near=near)


def _check_field(reference: Reference, place: Place, findings: Findings) -> None:
    """What is asked of a run or of a step."""
    known = _FIELDS.get(reference[0], ())
    at = 2 if reference[0] == "steps" else 1
    if not known or len(reference) <= at or reference[at] in known:
        return
    owner, field = ".".join(reference[:at]), reference[at]
    message = f"there is no {field!r} in {owner}"
    near = ".".join(reference[: at + 1])
    findings.add("UNKNOWN_NAME", place, message, suggest(field, known), near=near)


def _scope(
    place: Place, steps: Mapping[str, Mapping[str, Any]], needs: Mapping[str, list[str]]
) -> _Scope:
    if len(place) < 3 or place[:2] != ("spec", "steps") or place[2] not in steps:
        return _Scope(_ROOTS, "", frozenset(steps))
    name = str(place[2])
    rule = steps[name].get("map")
    item = (str(rule.get("as", "item")),) if isinstance(rule, dict) else ()
    inside = item if place[3:4] != ("map",) else ()
    own = {name} if place[3:4] == ("compensate",) else set()
    return _Scope((*_ROOTS, *inside), name, frozenset(_upstream(name, needs) | own))


def _upstream(name: str, needs: Mapping[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        fresh = [need for need in needs[waiting.pop()] if need not in found]
        found.update(fresh)
        waiting += fresh
    return found


def _parameters(data: Any) -> list[str]:
    spec = data.get("spec") if isinstance(data, dict) else None
    parameters = spec.get("parameters") if isinstance(spec, dict) else None
    return list(parameters) if isinstance(parameters, dict) else []


def _strings(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        if "${{" in value:
            yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*place, index))


def _is_lone(text: str) -> bool:
    try:
        template = parse_template(text.strip())
    except ExpressionError:
        return True  # reported by its own code
    return len(template.parts) == 1 and len(template.expressions) == 1
