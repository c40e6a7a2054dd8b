"""A disk that is full, read-only or forbidden: a clear error, and nothing lost."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.kanban import Bucket, BucketError, Seat, recover
from penstock.kanban._disk import Disk
from tests.kanban.boards import everywhere, make_bucket, make_token

WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "read-only",
    errno.EACCES: "permission denied",
    errno.EXDEV: "another file system",
}


@dataclass
class FailingDisk(Disk):
    """Fails at every change from the n-th on, as a disk does that has filled up or gone read-only."""

    code: int
    after: int

    def _count(self, path: str) -> None:
        self.after -= 1
        if self.after < 0:
            raise OSError(self.code, os.strerror(self.code), path)

    def write(self, path: str, data: bytes, *, sync: bool) -> None:
        self._count(path)
        super().write(path, data, sync=sync)

    def rename(self, source: str, target: str) -> None:
        if self.code != errno.ENOSPC:
            self._count(source)
        super().rename(source, target)

    def rename_new(self, source: str, target: str) -> None:
        if self.code != errno.ENOSPC:
            self._count(source)
        super().rename_new(source, target)


@pytest.mark.parametrize("code", WORDS)
def test_a_disk_that_fails_anywhere_loses_no_token(tmp_path: Path, code: int) -> None:
    for after in range(7):
        root = tmp_path / str(after)
        first, second = make_bucket(root / "1"), make_bucket(root / "2")
        first.put_many([make_token(n) for n in range(2)])
        broken = Bucket(root / "1", sync=False, disk=FailingDisk(code, after))

        said = refusal(broken, second)
        recover(first)

        assert WORDS[code] in said or said == ""

        assert everywhere(first, second) == ["0", "1"]


def refusal(first: Bucket, second: Bucket) -> str:
    """What is said when one token is moved and another fails; nothing if all went well."""
    try:
        with Seat(first, "w", into=second) as seat:
            (claim,) = seat.claim()
            seat.move(claim, claim.token)
            seat.fail(seat.claim()[0], "bad")
    except BucketError as error:
        return str(error)
    return ""


def test_a_put_that_fails_says_where_and_why(tmp_path: Path) -> None:
    make_bucket(tmp_path / "1")

    with pytest.raises(BucketError, match=r"bucket .*tmp/.*: the disk is full; nothing was lost"):
        Bucket(tmp_path / "1", disk=FailingDisk(errno.ENOSPC, 0)).put(make_token())


def test_a_file_where_a_bucket_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("no directory")

    with pytest.raises(BucketError, match="1"):
        make_bucket(tmp_path / "1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_somebody_who_may_not_write_is_told_so(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1")
    bucket.put(make_token())
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("test_", "pytest-", "popen-")):
            folder.chmod(0o755)

    os.seteuid(65534)
    try:
        with pytest.raises(BucketError, match="permission denied"):
            bucket.put(make_token("b2"))
        with pytest.raises(BucketError, match="permission denied"), Seat(bucket, "w") as seat:
            seat.claim()
    finally:
        os.seteuid(0)

    assert everywhere(bucket) == ["b1"]
