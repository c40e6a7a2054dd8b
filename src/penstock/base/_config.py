"""Configuration models: frozen, strict about keys, with problems that name their place."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from penstock.base._document import Document, Path_, dotted
from penstock.base._errors import ConfigError, Problem
from penstock.base._units import parse_duration, parse_size

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda value: value.total_seconds(), return_type=float, when_used="json"),
]
"""A span of time: `30s`, `1h30m`, or a number of seconds."""

Size = Annotated[int, BeforeValidator(parse_size)]
"""A number of bytes: `128MiB`, `2GB`, or a whole number."""


def _text_of_scalars(options: object) -> object:
    if not isinstance(options, Mapping):
        return options
    return {key: _text(value) for key, value in options.items()}


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


TextOptions = Annotated[dict[str, str], BeforeValidator(_text_of_scalars)]
"""Options for a library that wants text: YAML reads `aws_allow_http: true` as a boolean."""


class Config(BaseModel):
    """A frozen set of options. Unknown keys are errors with a suggestion; all problems come at once.

    Subclasses document each field with a string below it; the reference is made from these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_document(
        cls, document: Document, at: Path_ = (), *, context: Mapping[str, object] | None = None
    ) -> Self:
        """Read this model from the part of `document` that stands at the path `at`.

        Args:
            document: The file, parsed.
            at: Where in it this model stands.
            context: What the validators of the model may ask for, such as the file's directory.

        Raises:
            ConfigError: All that is wrong, with file, line and suggestion.
        """
        value = document.data
        for part in at:
            value = value[part]
        try:
            return cls.model_validate({} if value is None else value, context=context)
        except ValidationError as error:
            raise ConfigError(tuple(problems_of(error, document, cls, at))) from error


def problems_of(
    error: ValidationError, document: Document, model: type[BaseModel], at: Path_ = ()
) -> list[Problem]:
    """Translate what pydantic found into problems with a line and a way out."""
    problems = []
    errors = error.errors()
    for found in errors:
        if found["type"] == "too_short" and _has_deeper(found["loc"], errors):
            continue  # pydantic counts only the items that are right
        path = _existing(document.data, (*at, *found["loc"]), missing=found["type"] == "missing")
        message, hint = _explain(found, model, document.data, (*at, *found["loc"]), len(at))
        problems.append(document.problem(path, message, hint))
    return problems


def _has_deeper(place: Path_, errors: Sequence[ErrorDetails]) -> bool:
    return any(len(e["loc"]) > len(place) and e["loc"][: len(place)] == place for e in errors)


def suggest(unknown: str, known: Sequence[str]) -> str:
    """`did you mean 'x'?`, or the list of what there is; empty where nothing is known."""
    close = get_close_matches(unknown, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(sorted(known))}" if known else ""


def _explain(
    found: Mapping[str, Any], model: type[BaseModel], data: Any, path: Path_, skip: int
) -> tuple[str, str]:
    kind, value = found["type"], found.get("input")
    if kind == "extra_forbidden":
        key = str(path[-1])
        return f"unknown key {key!r}", suggest(key, _keys_at(model, path[skip:-1]))
    if kind == "missing":
        return f"the key {path[-1]!r} is required", ""
    if kind == "value_error":
        return str(found["ctx"]["error"]), ""
    shown = (
        f", got {value!r}" if isinstance(value, (str, int, float, bool)) or value is None else ""
    )
    said = found["msg"].partition(", unable to parse")[0]
    return f"{said[0].lower()}{said[1:]}{shown}", ""


def _existing(data: Any, path: Path_, *, missing: bool) -> Path_:
    """`path` without the parts that pydantic adds for the arms of a union and so on."""
    kept: list[str | int] = []
    for part in path:
        match data:
            case dict() if part in data:
                data = data[part]
            case list() if isinstance(part, int) and part < len(data):
                data = data[part]
            case _:
                continue
        kept.append(part)
    if missing:
        kept.append(path[-1])
    return tuple(kept)


def _keys_at(model: type[BaseModel], path: Path_) -> list[str]:
    """The keys that the model at `path` below `model` takes; empty where that is no model."""
    current: list[type[BaseModel]] = [model]
    for part in path:
        following: list[type[BaseModel]] = []
        for candidate in current:
            field = _field(candidate, str(part))
            following += _models_in(field.annotation) if field else [candidate]
        current = following
    return sorted(
        {field.alias or name for found in current for name, field in found.model_fields.items()}
    )


def _field(model: type[BaseModel], key: str) -> FieldInfo | None:
    """The field that is written as `key`; a field with an alias goes by that alone."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return field
    return None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


__all__ = ["Config", "Duration", "Size", "dotted", "problems_of", "suggest"]
