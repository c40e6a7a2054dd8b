"""The declared schema: the columns that a pipeline's rows have, as a user writes them."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from penstock.base import Config, suggest
from penstock.ingest._decoder import DecoderOptions

TYPE_KEY = b"penstock.type"
"""Metadata key of a field whose meaning its Arrow type does not tell: JSON text, or what was rescued."""

RESCUE = b"rescue"
"""Value of that key for the column that takes what no other column has a place for."""

SCALARS: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
        "float64": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
        "json": pa.string(),
        "binary": pa.binary(),
    }
)
"""Type names that stand alone, and the Arrow types that hold them."""


class FieldConfig(Config):
    """One column, or one member of a struct."""

    name: str = Field(min_length=1)
    """The key in the JSON object, and the column's name in the table."""

    type: str
    """A type name: string, int32, int64, float32, float64, boolean, timestamp, date, json, binary, struct, or `list<T>` of one."""

    nullable: bool = True
    """Whether a row may lack it or hold `null`; if not, such a line is rejected."""

    fields: tuple["FieldConfig", ...] = ()
    """The members of a `struct` or of a `list<struct>`; for no other type."""

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        inner = innermost(value)
        if inner != "struct" and inner not in SCALARS:
            hint = suggest(inner, [*SCALARS, "struct", "list<string>"])
            raise ValueError(f"unknown type {value!r}; {hint}")
        return value.replace(" ", "")

    @field_validator("fields")
    @classmethod
    def _distinct(cls, value: tuple["FieldConfig", ...]) -> tuple["FieldConfig", ...]:
        return distinct(value)

    @model_validator(mode="after")
    def _members(self) -> "FieldConfig":
        struct = innermost(self.type) == "struct"
        if struct and not self.fields:
            raise ValueError(f"the {self.type} {self.name!r} has no members; list them in `fields`")
        if self.fields and not struct:
            raise ValueError(
                f"only a struct has `fields`, and {self.name!r} is of type {self.type!r}; "
                "write `type: struct`, or remove `fields`"
            )
        return self

    def to_arrow(self) -> pa.Field:
        """The Arrow field; JSON text is a string marked by the metadata `penstock.type`."""
        return self._arrow(self.name, self.type, nullable=self.nullable)

    def _arrow(self, name: str, type_: str, *, nullable: bool) -> pa.Field:
        if type_.startswith("list<"):
            item = self._arrow("element", type_[5:-1], nullable=True)
            return pa.field(name, pa.list_(item), nullable=nullable)
        if type_ == "struct":
            members = pa.struct([member.to_arrow() for member in self.fields])
            return pa.field(name, members, nullable=nullable)
        metadata = {TYPE_KEY: b"json"} if type_ == "json" else None
        return pa.field(name, SCALARS[type_], nullable=nullable, metadata=metadata)

    def canonical(self) -> dict[str, Any]:
        """All that decides what a value means, in one form."""
        return {
            "name": self.name,
            "type": self.type,
            "nullable": self.nullable,
            "fields": [member.canonical() for member in self.fields],
        }


class SchemaConfig(Config):
    """The declared schema of a pipeline."""

    fields: tuple[FieldConfig, ...]
    """The columns, in the order in which the table has them."""

    rescue: str | None = Field(default=None, min_length=1)
    """Name of one more column, behind the others: a JSON object of the fields that the schema lacks and of the values that do not fit their column, which are null there; none by default: such fields are counted and dropped, and such lines are rejected."""

    options: DecoderOptions = Field(default_factory=DecoderOptions)
    """What is let through in the lines."""

    @field_validator("fields")
    @classmethod
    def _distinct(cls, value: tuple[FieldConfig, ...]) -> tuple[FieldConfig, ...]:
        if not value:
            raise ValueError("a schema needs at least one column; list them in `fields`")
        return distinct(value)

    @model_validator(mode="after")
    def _rescue_is_no_field(self) -> "SchemaConfig":
        name = (self.rescue or "").casefold()
        clash = next((field.name for field in self.fields if field.name.casefold() == name), None)
        if clash is not None:
            raise ValueError(
                f"rescue: {self.rescue} is the column {clash!r} of `fields` (letter case aside); "
                "give the rescue column a name of its own, such as _rescued"
            )
        return self

    def to_arrow(self) -> pa.Schema:
        """The columns as Arrow has them: timestamps are UTC microseconds, dates are `date32`."""
        columns = [field.to_arrow() for field in self.fields]
        if self.rescue is not None:
            columns.append(pa.field(self.rescue, pa.string(), metadata={TYPE_KEY: RESCUE}))
        return pa.schema(columns)

    @property
    def id(self) -> str:
        """Digest of the schema: SHA-256 in hexadecimal; equal for schemas that mean the same."""
        meaning: Any = [field.canonical() for field in self.fields]
        options = self.options.model_dump(exclude_defaults=True)
        if self.rescue is not None or options:
            meaning = {"fields": meaning, "rescue": self.rescue, "options": options}
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def is_rescue(field: pa.Field) -> bool:
    """Whether a column takes what no other column has a place for."""
    return bool((field.metadata or {}).get(TYPE_KEY) == RESCUE)


def innermost(type_: str) -> str:
    """The type inside all `list<...>` around it.

    >>> innermost("list<list<int64>>")
    'int64'
    """
    inner = type_.replace(" ", "")
    while inner.startswith("list<") and inner.endswith(">"):
        inner = inner[5:-1]
    return inner


def distinct(fields: Sequence[FieldConfig]) -> tuple[FieldConfig, ...]:
    """The fields, unless two share a name; letter case does not tell Delta columns apart."""
    count = Counter(field.name.casefold() for field in fields)
    twice = sorted({field.name for field in fields if count[field.name.casefold()] > 1})
    if twice:
        raise ValueError(
            f"these names are declared twice (letter case aside): {', '.join(twice)}; rename one"
        )
    return tuple(fields)
