"""The values that a run is given."""

from collections.abc import Mapping
from typing import Any, Final

from penstock.base import ConfigError, Problem, suggest
from penstock.workflow._definition_config import ParameterConfig

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}


def value_fault(name: str, parameter: ParameterConfig, value: Any) -> str:
    """What is wrong with a value; empty where it fits."""
    fits = isinstance(value, _TYPES[parameter.type])
    if isinstance(value, bool) and parameter.type in {"integer", "number"}:
        fits = False
    if not fits:
        return f"expected {parameter.type} for {name!r}, got {value!r}"
    if parameter.enum and value not in parameter.enum:
        listed = ", ".join(repr(allowed) for allowed in parameter.enum)
        return f"expected one of {listed} for {name!r}, got {value!r}"
    return ""


def bind_parameters(
    parameters: Mapping[str, ParameterConfig], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a value for every parameter, defaults filled in.

    Raises:
        ConfigError: Everything that is missing, unknown or of the wrong type.
    """
    faults = [
        (name, f"there is no parameter {name!r}", suggest(name, sorted(parameters)))
        for name in given
        if name not in parameters
    ]
    values = {}
    for name, parameter in parameters.items():
        values[name] = given.get(name, parameter.default)
        if name not in given and parameter.default is None:
            faults.append((name, f"the parameter {name!r} has no value", f"give one: {name}=..."))
        elif fault := value_fault(name, parameter, values[name]):
            faults.append((name, fault, ""))
    if faults:
        problems = (Problem("<parameters>", 0, name, text, hint) for name, text, hint in faults)
        raise ConfigError(tuple(problems))
    return values
