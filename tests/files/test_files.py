"""Local files that are whole or not there, and survive a power cut."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.files import (
    begin_writeback,
    place_file,
    remove_abandoned,
    sync_directory,
    write_atomic,
    write_if_absent,
)


class Syncs:
    """Stands before `os.fsync`: what was synced, and what had the name `path` at that moment."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self._sync = os.fsync
        self.seen: list[tuple[str, bytes | None]] = []
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        kind = "directory" if stat.S_ISDIR(status.st_mode) else f"{status.st_size} bytes"
        self.seen.append((kind, self._path.read_bytes() if self._path.exists() else None))
        self._sync(descriptor)


def test_content_is_durable_before_its_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new folder" / "file"
    syncs = Syncs(path, monkeypatch)

    write_atomic(path, b"first")
    write_atomic(path, b"second!")

    assert syncs.seen == [
        ("5 bytes", None),
        ("directory", b"first"),
        ("7 bytes", b"first"),
        ("directory", b"second!"),
    ]


def test_whoever_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    """A new file gets the name; the old one is not written over."""
    path = tmp_path / "file"
    write_atomic(path, b"old and long")

    with path.open("rb", buffering=0) as reader:
        head = reader.read(3)
        write_atomic(path, b"new")
        tail = reader.read()

    assert (head, tail, path.read_bytes()) == (b"old", b" and long", b"new")


def test_a_file_given_a_second_name_is_durable_before_it_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = tmp_path / "source", tmp_path / "file"
    source.write_bytes(b"content")
    syncs = Syncs(path, monkeypatch)

    place_file(path, source)

    assert syncs.seen == [("7 bytes", None), ("directory", b"content")]
    assert source.read_bytes() == b"content"


def test_of_many_rivals_one_writes_and_all_see_its_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([number]) * 100_000 for number in range(16)]

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda content: write_if_absent(path, content), contents))

    assert won.count(True) == 1
    assert path.read_bytes() == contents[won.index(True)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        write_atomic(path, b"new")

    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_only_what_was_abandoned_long_ago_is_removed(tmp_path: Path) -> None:
    for name, age in ((".penstock-tmp-old", 1), (".penstock-tmp-young", None), ("other", 1)):
        (tmp_path / name).touch()
        if age is not None:
            os.utime(tmp_path / name, (age, age))

    assert remove_abandoned(tmp_path) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".penstock-tmp-young", "other"]


def test_early_writing_changes_nothing_that_a_reader_sees(tmp_path: Path) -> None:
    """Parts that are advised while the file grows, at sizes that are no multiple of a page."""
    path = tmp_path / "file"
    parts = [os.urandom(size) for size in (1, 4096, 70_001)]
    with path.open("wb", buffering=0) as file:
        offset = 0
        for part in parts:
            file.write(part)
            begin_writeback(file.fileno(), offset, len(part))
            offset += len(part)

    assert path.read_bytes() == b"".join(parts)


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "gone")
