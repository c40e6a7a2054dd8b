"""Streams that are compressed, known by their first bytes or by their names."""

import bz2
import gzip
import lzma
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path
from typing import Any

from penstock.kanban._errors import PermanentError

_HEAD = 6


def zstd() -> Any:
    """The zstd module of the standard library, or its backport; None where there is neither."""
    for name in ("compression.zstd", "backports.zstd"):
        if find_spec(name.partition(".")[0]) and find_spec(name):
            return import_module(name)
    return None


def open_compressed(file: BufferedReader, name: str) -> AbstractContextManager[Any]:
    """A stream over the content of an open file or pipe: gzip, bzip2, xz, zstd, or plain.

    Raises:
        PermanentError: It is zstd, and there is nothing to read that with.
    """
    head = file.peek(_HEAD)[:_HEAD]
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    if head.startswith(b"BZh"):
        return bz2.open(file)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(file)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        module = zstd()
        if module is None:
            raise PermanentError(f"{name} is zstd: pip install 'penstock[lake]'")
        opened: AbstractContextManager[Any] = module.open(file)
        return opened
    return nullcontext(file)


@contextmanager
def create_compressed(path: Path, packing: str) -> Iterator[Any]:
    """A stream that writes a file of this packing; equal content gives equal bytes."""
    if packing == "tar.zst":
        with zstd().open(path, "wb") as stream:
            yield stream
        return
    with path.open("wb") as file:
        if packing == "tar.gz":
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
                yield stream
        else:
            yield file
