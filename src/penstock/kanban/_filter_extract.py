"""Extractor: unpacks tar and zip archives that nobody vouches for."""

import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pydantic import Field

from penstock.base import Size
from penstock.files import begin_writeback
from penstock.kanban._compress import open_compressed
from penstock.kanban._data import only_data, publish_folder, reference, remove, scratch
from penstock.kanban._errors import PermanentError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Outcome
from penstock.kanban._forward import Body, Forward
from penstock.kanban._gpg import SUFFIXES, Gpg
from penstock.kanban._token import Token

_BLOCK_BYTES = 1 << 18
"""What is copied at once: it stays in the processor's cache."""
_BEGIN_BYTES = 4 << 20
"""What the disk is given at once; smaller files are left to the system, which puts them together."""
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)


class ExtractorArguments(Arguments):
    """How much an archive may hold."""

    max_files: int = Field(default=100_000, ge=1)
    """Most files and directories."""

    max_bytes: Size = 100 * 2**30
    """Most bytes in all, unpacked."""

    max_ratio: int = Field(default=200, ge=1)
    """Most unpacked bytes for each packed one, once a hundred megabytes are passed."""

    keep: bool = False
    """Keep the archive."""

    decrypt: bool = False
    """Decrypt archives that end in .gpg, .pgp or .asc while they are unpacked, with the program gpg and
    the board's `gpg_passphrase`: the decrypted archive is never on the disk. Not for zip."""


@dataclass
class _Guard:
    """Counts what comes out, and believes no header."""

    packed: int
    args: ExtractorArguments
    files: int = 0
    size: int = 0

    def name(self, name: str, folder: Path) -> Path:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
            raise PermanentError(f"the archive names {name!r}, which leads out of it")
        self.files += 1
        if self.files > self.args.max_files:
            raise PermanentError(f"the archive holds more than {self.args.max_files:,} files")
        return folder.joinpath(*path.parts)

    def copy(self, source: Any, target: BinaryIO) -> None:
        """Copy what is in a member; the disk begins with it while the rest is unpacked."""
        written = begun = 0
        block = memoryview(bytearray(_BLOCK_BYTES))
        while size := source.readinto(block):
            self.size += size
            if self.size > self.args.max_bytes:
                raise PermanentError(
                    f"the archive unpacks to more than {self.args.max_bytes:,} bytes"
                )
            if self.size > max(100_000_000, self.packed * self.args.max_ratio):
                raise PermanentError(
                    f"the archive unpacks to more than {self.args.max_ratio} times its size"
                )
            target.write(block[:size])
            written += size
            if written - begun >= _BEGIN_BYTES:
                begin_writeback(target.fileno(), begun, written - begun)
                begun = written


class Extractor(Filter):
    """Unpacks the archive of a token into a directory of the token's name.

    Only plain files and directories come out, with plain permissions: links, devices, names that
    lead out, and bombs are errors. The directory has its name only when it is whole.
    """

    arguments = ExtractorArguments
    takes_data = True
    counts_data = False  # what it makes tells that it was done

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        if not ExtractorArguments.model_validate(dict(context.args)).decrypt:
            return
        if not context.settings.gpg_passphrase:
            yield "`decrypt` needs `gpg_passphrase` under `global`"
        if not shutil.which("gpg"):
            yield "`decrypt` needs the program gpg; a Decryptor before it can do without"

    def process(self, token: Token) -> Outcome:
        archive = only_data(token, self.context)
        folder = archive.parent / f"{token.id}.d"
        if archive.exists():
            with scratch(folder) as part:
                self._unpack(archive, part)
                self.context.failpoints.cross("extract.unpacked")
                publish_folder(part, folder)
                self.context.failpoints.cross("extract.published")
        elif not folder.is_dir():
            raise PermanentError(f"the archive {archive} is gone")
        if not self.args.keep:
            remove(archive)
            self.context.failpoints.cross("extract.removed")
        files = sum(found.is_file() for found in folder.rglob("*"))
        return token.with_data(reference(archive.parent, folder)).with_fields(files=files)

    def _unpack(self, archive: Path, part: Path) -> None:
        guard = _Guard(archive.stat().st_size, self.args)
        encrypted = self.args.decrypt and archive.suffix in SUFFIXES
        try:
            if encrypted:
                self._unpack_encrypted(archive, part, guard)
            elif zipfile.is_zipfile(archive):
                self._write(_zip(archive), part, guard)
            else:
                with archive.open("rb") as file:
                    self._write(_tar(file, archive.name), part, guard)
        except _DAMAGED as error:
            raise PermanentError(f"the archive {archive.name} is damaged: {error}") from error
        except FileExistsError as error:
            raise PermanentError(f"the archive holds {error.filename} twice") from error

    def _unpack_encrypted(self, archive: Path, part: Path, guard: _Guard) -> None:
        secret = self.context.settings.gpg_passphrase
        gpg = Gpg(secret.get_secret_value() if secret else "", self.context.temporary / "gnupg")
        with gpg.stream(archive) as stream, open(os.devnull, "wb") as nowhere:
            if stream.peek(2).startswith(b"PK"):
                raise PermanentError(
                    f"{archive.name} is a zip archive, which cannot be read from a pipe; "
                    "put a Decryptor before this filter"
                )
            self._write(_tar(stream, archive.name), part, guard)
            guard.copy(stream, nowhere)  # what follows the last member is part of the checksum

    def _write(self, members: Iterator[tuple[str, Any]], part: Path, guard: _Guard) -> None:
        for name, source in members:
            path = guard.name(name, part)
            if source is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as target:
                guard.copy(source, target)
            self.context.failpoints.cross("extract.member")


def _tar(file: BufferedReader, name: str) -> Iterator[tuple[str, Any]]:
    with (
        open_compressed(file, name) as stream,
        Forward(stream) as forward,
        tarfile.open(fileobj=forward, mode="r:") as tar,
    ):
        for member in tar:
            if member.isdir():
                yield member.name, None
            elif member.isreg():
                sparse = member.issparse()
                yield member.name, tar.extractfile(member) if sparse else Body(forward, member.size)
            else:
                raise PermanentError(f"the archive holds {member.name!r}, a link or a device")


def _zip(archive: Path) -> Iterator[tuple[str, Any]]:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            if member.is_dir():
                yield member.filename, None
            elif (member.external_attr >> 28) == 0o12:
                raise PermanentError(f"the archive holds {member.filename!r}, a link")
            else:
                with packed.open(member) as source:
                    yield member.filename, source
