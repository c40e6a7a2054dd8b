"""Real disks that are full, read-only, somewhere else or not ours: a clear error, and nothing lost."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.kanban import Bucket, BucketError, DataRef, Seat, Token, recover
from tests.kanban.boards import everywhere, ids, make_bucket, make_token
from tests.kanban.filters import make_filter, moved
from tests.kanban.workers import ended, worker

CONFIG = """
global: {sync: false}
filters:
  - {name: a, class: Archiver, input_pipe: p/0, output_pipe: OUT}
"""


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A small file system of its own."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(("size=256k", *options)), "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_what_was_there_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        first, second = make_bucket(disk / "1"), make_bucket(disk / "2")
        first.put_many([make_token(n) for n in range(5)])
        filling = disk / "filling"
        with pytest.raises(OSError, match="No space left"):
            filling.write_bytes(bytes(1 << 20))

        with pytest.raises(
            BucketError, match="the disk is full; nothing was lost, free some space"
        ):
            first.put(make_token("more"))
        with (
            pytest.raises(BucketError, match="the disk is full"),
            Seat(first, "w", into=second) as seat,
        ):
            seat.move((claim := seat.claim()[0]), claim.token)
        assert everywhere(first, second) == ["0", "1", "2", "3", "4"]

        filling.unlink()
        recover(first)
        with Seat(first, "w", into=second) as seat:
            for claim in seat.claim(9):
                seat.move(claim, claim.token)
        assert ids(second) == everywhere(first, second) == ["0", "1", "2", "3", "4"]


@pytest.mark.slow
def test_a_disk_that_went_read_only_is_said_and_nothing_moves(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        first, second = make_bucket(disk / "1"), make_bucket(disk / "2")
        first.put(make_token("b1"))
        remount(disk, "ro")
        try:
            with pytest.raises(
                BucketError, match="the file system is read-only; nothing was moved"
            ):
                first.put(make_token("b2"))
            with pytest.raises(BucketError, match="read-only"):
                Seat(first, "w", into=second).__enter__()
            with pytest.raises(BucketError, match="read-only"):
                first.prepare()
            assert everywhere(first, second) == ["b1"]
        finally:
            remount(disk, "rw")

        with Seat(first, "w", into=second) as seat:
            seat.move((claim := seat.claim()[0]), claim.token)
        assert everywhere(first, second) == ids(second) == ["b1"]


@pytest.mark.slow
def test_a_download_that_does_not_fit_is_not_begun_and_one_that_fills_the_disk_leaves_no_half(
    tmp_path: Path,
) -> None:
    (tmp_path / "b1.bin").write_bytes(os.urandom(200_000))
    (tmp_path / "b2.bin").write_bytes(os.urandom(400_000))
    with mounted(tmp_path / "work"):
        upload = make_filter(tmp_path, "Uploader", target="work/stored/{barcode}")
        download = make_filter(tmp_path, "Downloader", source="{barcode}.bin", free="20KB")

        late = download.process(Token("b2"))
        token = moved(download.process(Token("b1")))
        with pytest.raises(OSError, match="No space left"):
            upload.process(token)

        assert "bytes are free" in late.reason  # type: ignore[union-attr]
        assert (tmp_path / "work" / "b1.bin").stat().st_size == 200_000
        assert not (tmp_path / "work" / "stored" / "b1").exists()


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_said(tmp_path: Path) -> None:
    """As a quota of the shell sets it: `ulimit -f`."""
    first = make_bucket(tmp_path / "1")
    first.put(make_token("b1"))

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with pytest.raises(BucketError, match="larger than this process may write"):
            Bucket(first.path, sync=False).put(make_token("b2", fields={"text": "x" * 1000}))

    with worker(work) as pid:
        assert ended(pid) == 0
    assert everywhere(first) == ["b1"]
    assert not any((tmp_path / "1" / "tmp").iterdir())


@pytest.mark.slow
def test_a_board_with_a_bucket_on_another_file_system_is_refused_before_it_starts(
    tmp_path: Path,
) -> None:
    other = Path("/dev/shm") / f"penstock-{os.getpid()}"
    if not other.parent.is_dir() or other.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    (tmp_path / "penstock.kanban.yaml").write_text(CONFIG.replace("OUT", str(other)))
    program = str(Path(sys.executable).with_name("penstock"))
    try:
        done = subprocess.run(
            [program, "kanban", "run", "--sample", "b1", "--until-idle"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        subprocess.run(["rm", "-rf", str(other)], check=True)

    assert done.returncode == 1, done.stderr
    assert "all buckets of a board lie on one file system" in done.stderr
    assert everywhere(Bucket(tmp_path / "p" / "0")) == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_tokens_and_data_of_somebody_else_are_errors_that_say_so(tmp_path: Path) -> None:
    """A token that may not be read goes to the errors with a note; data that may not, is a failed attempt."""
    bucket = make_bucket(tmp_path / "1")
    for name in ("secret", "open"):
        path = tmp_path / "1" / f"{name}.json"
        path.write_text("{}")
        os.utime(path, (1e9, 1e9))
    (tmp_path / "1" / "secret.json").chmod(0o000)
    upload = make_filter(tmp_path, "Uploader")
    (tmp_path / "work" / "b1").write_bytes(b"x")
    (tmp_path / "work" / "b1").chmod(0o000)
    for folder in tmp_path.rglob("*"):
        if folder.is_dir():
            folder.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("test_", "pytest-", "popen-")):
            folder.chmod(0o755)

    os.seteuid(65534)
    try:
        with Seat(bucket, "w") as seat:
            taken = [claim.token.id for claim in seat.claim(5)]
        with pytest.raises(PermissionError, match="b1"):
            upload.process(Token("b1", data=(DataRef("b1", 1),)))
    finally:
        os.seteuid(0)

    assert taken == ["open"]
    assert "Permission denied" in (tmp_path / "1/errors/secret.json.reason").read_text()
    assert (tmp_path / "work" / "b1").exists()


@pytest.mark.slow
def test_a_read_only_directory_for_the_board_itself_is_said_before_anything_starts(
    tmp_path: Path,
) -> None:
    with mounted(tmp_path / "disk") as disk:
        (disk / "penstock.kanban.yaml").write_text(CONFIG.replace("OUT", "p/1"))
        remount(disk, "ro")
        program = str(Path(sys.executable).with_name("penstock"))

        done = subprocess.run(
            [program, "kanban", "run", "--sample", "b1", "--until-idle"],
            cwd=disk, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert "ead-only" in done.stderr
