"""Streams that are compressed, known by their first bytes or by their names."""

import bz2
import gzip
import lzma
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from penstock.kanban._errors import PermanentError

PACKINGS = ("tar", "tar.gz", "tar.zst")


def zstd() -> Any:
    """The zstd module of the standard library, or its backport; None where there is neither."""
    for name in ("compression.zstd", "backports.zstd"):
        if find_spec(name.partition(".")[0]) and find_spec(name):
            return import_module(name)
    return None


def open_compressed(path: Path) -> AbstractContextManager[Any]:
    """A stream over the content of a file: gzip, bzip2, xz, zstd, or plain.

    Raises:
        PermanentError: It is zstd, and there is nothing to read that with.
    """
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if head.startswith(b"BZh"):
        return bz2.open(path)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(path)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        module = zstd()
        if module is None:
            raise PermanentError(f"{path.name} is zstd: pip install 'penstock[lake]'")
        opened: AbstractContextManager[Any] = module.open(path)
        return opened
    return path.open("rb")


def create_compressed(path: Path, packing: str) -> AbstractContextManager[Any]:
    """A stream that writes a file of this packing; equal content gives equal bytes."""
    if packing == "tar.zst":
        created: AbstractContextManager[Any] = zstd().open(path, "wb")
        return created
    if packing == "tar.gz":
        return gzip.GzipFile(
            filename="", fileobj=path.open("wb"), mode="wb", compresslevel=6, mtime=0
        )
    return path.open("wb")
