"""The compiled decoder: the decoder port in C, for what `_reference_decoder.py` specifies.

The C sources are in `_native/`; `docs/decoder.md` explains them with a picture.
"""

import warnings
from collections.abc import Iterator
from enum import IntEnum
from importlib import import_module
from typing import Any, Protocol

import pyarrow as pa

from penstock.ingest._decoder import (
    Chunk,
    Decoded,
    Decoder,
    DecoderOptions,
    LineError,
    RejectedLine,
)
from penstock.ingest._errors import UnsupportedTypeError
from penstock.ingest._scalars import EPOCH_POWERS
from penstock.ingest._schema_config import TYPE_KEY, is_rescue

try:
    from penstock.ingest import _decoder_native
except ImportError as error:  # installed without a C compiler
    _NATIVE: "NativeModule | None" = None
    _REASON = str(error)
else:
    _NATIVE = _decoder_native
    _REASON = ""

_Node = tuple[bytes, int, bool, int, tuple["_Node", ...]]
"""A field as the C side takes it: name, type, nullable, index of its path, children."""

_ERRORS = tuple(LineError)
_LARGEST_SIZE = 2**63 - 1


class SlowDecoderWarning(UserWarning):
    """Lines are decoded by the reference decoder, as the compiled one is not there."""


class NativeDecoder(Protocol):
    """`Decoder` of the extension module."""

    def decode(
        self, data: Any, first_line: int, offset: int, /
    ) -> tuple[Any, list[Any], int, int, int]:
        """Gives an `arrow_array` capsule, rejected lines, lines, unknown fields, and bytes."""
        ...


class NativeModule(Protocol):
    """The extension module, or another build of it."""

    PATH: str
    """`sse2` or `plain`."""

    def Decoder(  # noqa: N802  # a type, seen as what it is called for
        self,
        root: _Node,
        max_depth: int,
        max_line: int,
        lenient: int,
        epoch: int,
        /,
    ) -> NativeDecoder:
        """For rows of one schema."""
        ...


class _Type(IntEnum):
    """As in `_native/schema.h`."""

    STRING = 0
    JSON = 1
    BINARY = 2
    INT32 = 3
    INT64 = 4
    FLOAT32 = 5
    FLOAT64 = 6
    BOOLEAN = 7
    TIMESTAMP = 8
    DATE = 9
    STRUCT = 10
    LIST = 11
    RESCUE = 12


_SCALARS = {
    pa.string(): _Type.STRING,
    pa.binary(): _Type.BINARY,
    pa.int32(): _Type.INT32,
    pa.int64(): _Type.INT64,
    pa.float32(): _Type.FLOAT32,
    pa.float64(): _Type.FLOAT64,
    pa.bool_(): _Type.BOOLEAN,
    pa.timestamp("us", tz="UTC"): _Type.TIMESTAMP,
    pa.date32(): _Type.DATE,
}


class CompiledDecoder:
    """The decoder port in C; decodes without the GIL, from any number of threads at once.

    A chunk is smaller than 2 GiB. Memory for columns is reused, up to 64 MiB per decoder.
    """

    def __init__(
        self,
        schema: pa.Schema,
        options: DecoderOptions | None = None,
        *,
        native: NativeModule | None = _NATIVE,
    ) -> None:
        """Prepare for rows of one schema.

        Args:
            schema: As `SchemaConfig.to_arrow` makes it; at least one column.
            options: Limits and leniencies; the strict defaults if None.
            native: The extension module.

        Raises:
            UnsupportedTypeError: A column has a type that no JSON value is read into.
            ImportError: The extension module was not built.
        """
        if native is None:
            raise ImportError(_REASON)
        options = options or DecoderOptions()
        self._schema = schema
        self._paths = [""]
        root = (b"", _Type.STRUCT, False, 0, self._columns(schema))
        self._native = native.Decoder(
            root,
            _size(options.max_depth),
            _size(options.max_line_bytes),
            _leniency(options),
            EPOCH_POWERS.get(options.epoch_timestamps, 0),
        )

    @property
    def schema(self) -> pa.Schema:
        """The columns of every batch."""
        return self._schema

    def decode(self, chunk: Chunk) -> Decoded:
        """Decode one chunk; see `Decoder.decode`.

        Raises:
            MemoryError: There is no memory for the columns.
            ValueError: The chunk has 2 GiB or more.
        """
        array, rejected, lines, unknown, size = self._native.decode(
            chunk.data, chunk.first_line, chunk.offset
        )
        batch = pa.RecordBatch._import_from_c_capsule(  # noqa: SLF001  # its only door for two capsules
            self._schema.__arrow_c_schema__(), array
        )
        return Decoded(batch, tuple(self._rejected(rejected)), lines, unknown, size)

    def _rejected(self, lines: list[Any]) -> Iterator[RejectedLine]:
        for number, offset, length, error, path, position in lines:
            yield RejectedLine(number, offset, length, _ERRORS[error], self._paths[path], position)

    def _columns(self, schema: pa.Schema) -> tuple[_Node, ...]:
        plain = iter(self._children("", [field for field in schema if not is_rescue(field)]))
        return tuple(
            (field.name.encode(), _Type.RESCUE, True, 0, ()) if is_rescue(field) else next(plain)
            for field in schema
        )

    def _children(self, path: str, fields: list[pa.Field]) -> tuple[_Node, ...]:
        if not fields:
            raise UnsupportedTypeError(path, "an object without members")
        return tuple(
            self._node(field, f"{path}.{field.name}" if path else field.name) for field in fields
        )

    def _node(self, field: pa.Field, path: str) -> _Node:
        self._paths.append(path)
        own = len(self._paths) - 1
        name, nullable = field.name.encode(), field.nullable
        type_ = field.type
        if is_rescue(field):
            raise UnsupportedTypeError(path, "rescue, which is for one column of its own")
        if (field.metadata or {}).get(TYPE_KEY) == b"json":
            return name, _Type.JSON, nullable, own, ()
        if pa.types.is_struct(type_) and type_.num_fields:
            members = [type_.field(index) for index in range(type_.num_fields)]
            return name, _Type.STRUCT, nullable, own, self._children(path, members)
        if pa.types.is_list(type_):
            return name, _Type.LIST, nullable, own, (self._node(type_.value_field, path),)
        if type_ not in _SCALARS:
            raise UnsupportedTypeError(path, str(type_))
        return name, _SCALARS[type_], nullable, own, ()


def _leniency(options: DecoderOptions) -> int:
    """As in `_native/walk.h`."""
    allowed = (
        options.finer_timestamps == "cut",
        options.quoted_numbers == "read",
        options.whole_fractions == "read",
        options.epoch_timestamps != "refuse",
        options.duplicate_keys == "last",
        options.not_a_number == "nullify",
    )
    return sum(1 << bit for bit, allows in enumerate(allowed) if allows)


def _size(limit: int) -> int:
    return max(0, min(limit, _LARGEST_SIZE))


def open_decoder(schema: pa.Schema, options: DecoderOptions | None = None) -> Decoder:
    """The fastest decoder that is there; a warning says so once if it is the slow one.

    Args:
        schema: As `SchemaConfig.to_arrow` makes it; at least one column.
        options: Limits and leniencies; the strict defaults if None.

    Raises:
        UnsupportedTypeError: A column has a type that no JSON value is read into.
    """
    if _NATIVE is not None:
        return CompiledDecoder(schema, options)
    warnings.warn(
        f"the compiled decoder is not there ({_REASON}), so lines are decoded by the reference "
        "decoder, with equal results and at about a hundredth of the speed; install a C "
        "compiler and then penstock again, with `pip install --force-reinstall --no-binary "
        "penstock penstock`",
        SlowDecoderWarning,
        stacklevel=2,
    )
    reference = import_module("penstock.ingest._reference_decoder")  # seldom needed
    decoder: Decoder = reference.ReferenceDecoder(schema, options)
    return decoder
