"""The filters that come along: each can be repeated, and is wary of what it is given."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from penstock.kanban import (
    DataRef,
    FilterContext,
    Later,
    PermanentError,
    RetryableError,
    Split,
    Token,
)
from penstock.kanban._filter_shell import Shell
from tests.kanban.filters import PASSPHRASE, make_filter, moved, names


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tarball(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def plain(name: str, data: bytes = b"page") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), data


def encrypt(path: Path) -> None:
    home = path.parent.parent / "gnupg"
    home.mkdir(exist_ok=True, mode=0o700)
    subprocess.run(
        ["gpg", "--batch", "--no-autostart", "--homedir", str(home), "--pinentry-mode", "loopback",
         "--passphrase-fd", "0", "--s2k-count", "65536", "--output", f"{path}.gpg", "--symmetric", str(path)],
        input=PASSPHRASE.encode(), capture_output=True, check=False,
    )  # fmt: skip
    assert Path(f"{path}.gpg").stat().st_size
    path.unlink()


def test_a_download_is_there_whole_and_again_at_no_price(tmp_path: Path) -> None:
    (tmp_path / "b1.gpg").write_bytes(b"content")
    download = make_filter(tmp_path, "Downloader", source="{barcode}.gpg", free=0)

    token = moved(download.process(Token("b1")))
    (tmp_path / "b1.gpg").unlink()  # a repetition does not ask for it

    assert token.data == (DataRef("b1.gpg", 7, sha(b"content")),)
    assert moved(download.process(Token("b1"))) == token
    assert names(tmp_path / "work") == ["b1.gpg"]


def test_a_source_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"b1\.gpg does not exist"):
        make_filter(tmp_path, "Downloader", source="{barcode}.gpg").process(Token("b1"))


@pytest.mark.case("b11")
def test_a_download_waits_for_room_on_the_disk(tmp_path: Path) -> None:
    """The margin is bytes that stay free; no attempt is used up."""
    (tmp_path / "b1.gpg").write_bytes(b"content")
    free = shutil.disk_usage(tmp_path).free

    outcome = make_filter(tmp_path, "Downloader", source="{barcode}.gpg", free=2 * free).process(
        Token("b1")
    )

    assert isinstance(outcome, Later)
    assert names(tmp_path / "work") == []


@pytest.mark.case("b11")
def test_a_limit_of_the_rate_is_kept(tmp_path: Path) -> None:
    """Measured over the download."""
    (tmp_path / "b1.gpg").write_bytes(bytes(3 << 20))
    download = make_filter(tmp_path, "Downloader", source="{barcode}.gpg", free=0, rate="20MiB")
    before = os.times().elapsed

    download.process(Token("b1"))

    assert os.times().elapsed - before >= 0.14


def test_what_has_another_checksum_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "b1.gpg").write_bytes(b"damaged")
    download = make_filter(tmp_path, "Downloader", source="{barcode}.gpg", sha256="{sum}", free=0)
    token = Token("b1", fields={"sum": sha(b"content")})

    with pytest.raises(RetryableError, match="expected sha256"):
        download.process(token)
    (tmp_path / "b1.gpg").write_bytes(b"content")

    assert moved(download.process(token)).data[0].sha256 == sha(b"content")


class Provider(BaseHTTPRequestHandler):
    """Breaks off every answer after ten bytes; knows ranges."""

    content: ClassVar[bytes] = b"0123456789abcdefghij!"
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if self.path != "/b1":
            self.send_error(404)
            return
        ranged = self.headers.get("Range", "")
        start = int(ranged.removeprefix("bytes=").removesuffix("-")) if ranged else 0
        self.asked.append(ranged)
        self.send_response(206 if ranged else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : start + 10])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    Provider.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_broke_off_goes_on_where_it_stopped(tmp_path: Path, provider: str) -> None:
    download = make_filter(tmp_path, "Downloader", source=provider + "/{barcode}", free=0)
    for _ in range(2):
        with pytest.raises(RetryableError, match="the rest comes next"):
            download.process(Token("b1"))

    token = moved(download.process(Token("b1")))

    assert Provider.asked == ["", "bytes=10-", "bytes=20-"]
    assert token.data[0].sha256 == sha(Provider.content)
    with pytest.raises(PermanentError, match="does not exist"):
        download.process(Token("b2"))


def test_a_passphrase_opens_an_archive_and_shows_on_no_command_line(tmp_path: Path) -> None:
    """Nor does an agent stay behind that would remember it."""
    decrypt = make_filter(tmp_path, "Decryptor")
    (tmp_path / "work" / "b1.tar").write_bytes(b"content")
    encrypt(tmp_path / "work" / "b1.tar")

    token = moved(decrypt.process(Token("b1", data=(DataRef("b1.tar.gpg", 1),))))

    assert token.data == (DataRef("b1.tar", 7, sha(b"content")),)
    assert names(tmp_path / "work") == ["b1.tar"]
    assert moved(decrypt.process(Token("b1", data=(DataRef("b1.tar.gpg", 1),)))) == token


@pytest.mark.case("b12")
def test_gpg_is_told_the_passphrase_through_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in gpg's place notes its arguments and its environment."""
    spy = tmp_path / "bin" / "gpg"
    spy.parent.mkdir()
    spy.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nenv >> {tmp_path}/arguments\nexit 2\n'
    )
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}:/usr/bin:/bin")
    decrypt = make_filter(tmp_path, "Decryptor")
    (tmp_path / "work" / "b1.gpg").write_bytes(b"x")

    with pytest.raises(PermanentError, match="cannot be decrypted"):
        decrypt.process(Token("b1", data=(DataRef("b1.gpg", 1),)))

    assert "--passphrase-fd 0" in (tmp_path / "arguments").read_text()
    assert PASSPHRASE not in (tmp_path / "arguments").read_text()


def test_a_damaged_archive_is_an_error_and_leaves_nothing_half(tmp_path: Path) -> None:
    decrypt = make_filter(tmp_path, "Decryptor")
    (tmp_path / "work" / "b1").write_bytes(os.urandom(50_000))
    encrypt(tmp_path / "work" / "b1")
    path = tmp_path / "work" / "b1.gpg"
    path.write_bytes(path.read_bytes()[:-5000])

    with pytest.raises(PermanentError, match="cannot be decrypted"):
        decrypt.process(Token("b1", data=(DataRef("b1.gpg", 1),)))

    assert names(tmp_path / "work") == ["b1.gpg"]


def test_a_key_opens_an_archive_without_an_agent(tmp_path: Path) -> None:
    sequoia = pytest.importorskip("pysequoia")
    key = sequoia.Tsk.generate("Library <library@example.org>")
    (tmp_path / "key.asc").write_bytes(bytes(key))
    decrypt = make_filter(tmp_path, "Decryptor", key="key.asc")
    encrypted = sequoia.encrypt(b"content", recipients=[key.extract_certificate()], armor=False)
    (tmp_path / "work" / "b1.gpg").write_bytes(encrypted)

    assert moved(decrypt.process(Token("b1", data=(DataRef("b1.gpg", 1),)))).data[0].size == 7


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_becomes_a_directory(tmp_path: Path, mode: str) -> None:
    extract = make_filter(tmp_path, "Extractor")
    content = tarball(plain("book/1.jp2"), plain("book/2.jp2"), mode=mode)
    (tmp_path / "work" / "b1.tar").write_bytes(content)

    token = moved(extract.process(Token("b1", data=(DataRef("b1.tar", 1),))))

    assert token.data == (DataRef("b1.d/", 8),)
    assert token.fields == {"files": 2}
    assert names(tmp_path / "work") == ["b1.d"]
    assert moved(extract.process(Token("b1", data=(DataRef("b1.tar", 1),)))) == token


def test_a_zip_becomes_a_directory(tmp_path: Path) -> None:
    extract = make_filter(tmp_path, "Extractor")
    with zipfile.ZipFile(tmp_path / "work" / "b1.zip", "w") as packed:
        packed.writestr("book/1.jp2", b"page")

    token = moved(extract.process(Token("b1", data=(DataRef("b1.zip", 1),))))

    assert (tmp_path / "work" / "b1.d" / "book" / "1.jp2").read_bytes() == b"page"
    assert token.fields == {"files": 1}


def link(name: str, kind: bytes, target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (plain("../evil"), "leads out of it"),
        (plain("a/../../evil"), "leads out of it"),
        (plain("/etc/evil"), "leads out of it"),
        (plain("C:\\evil"), "leads out of it"),
        (link("l", tarfile.SYMTYPE, "/etc"), "a link or a device"),
        (link("l", tarfile.LNKTYPE, "../x"), "a link or a device"),
        (link("d", tarfile.CHRTYPE, ""), "a link or a device"),
        (plain("big", bytes(2000)), "unpacks to more than 1,000 bytes"),
        (plain("twice"), "holds .*twice"),
    ],
)
def test_an_archive_that_means_harm_is_an_error(
    tmp_path: Path, member: tuple[tarfile.TarInfo, bytes], words: str
) -> None:
    extract = make_filter(tmp_path, "Extractor", max_bytes=1000, max_files=5)
    (tmp_path / "work" / "b1.tar").write_bytes(tarball(plain("twice"), member))

    with pytest.raises(PermanentError, match=words):
        extract.process(Token("b1", data=(DataRef("b1.tar", 1),)))

    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "work" / "b1.d").exists()


def test_an_archive_of_too_many_files_or_cut_short_is_an_error(tmp_path: Path) -> None:
    extract = make_filter(tmp_path, "Extractor", max_files=2)
    (tmp_path / "work" / "b1.tar").write_bytes(tarball(*(plain(str(n)) for n in range(3))))
    (tmp_path / "work" / "b2.tar").write_bytes(tarball(plain("x", os.urandom(5000)))[:-1000])

    with pytest.raises(PermanentError, match="more than 2 files"):
        extract.process(Token("b1", data=(DataRef("b1.tar", 1),)))
    with pytest.raises(PermanentError, match="is damaged"):
        extract.process(Token("b2", data=(DataRef("b2.tar", 1),)))


def test_a_bomb_is_known_by_its_ratio(tmp_path: Path) -> None:
    extract = make_filter(tmp_path, "Extractor", max_ratio=2)
    (tmp_path / "work" / "b1.tar").write_bytes(tarball(plain("zeros", bytes(101_000_000))))

    with pytest.raises(PermanentError, match="more than 2 times its size"):
        extract.process(Token("b1", data=(DataRef("b1.tar", 1),)))


@pytest.mark.parametrize("repack", ["tar.gz", "tar", "tar.zst"])
def test_a_modifier_packs_the_same_bytes_however_often(tmp_path: Path, repack: str) -> None:
    (tmp_path / "noting.py").write_text(
        "def add(folder, token):\n    (folder / 'note').write_text(token.id)\n    return token.with_fields(noted=True)\n"
    )
    modify = make_filter(tmp_path, "Modifier", function="noting:add", repack=repack)
    sums = set()
    for _ in range(2):
        (tmp_path / "work" / "b1.d").mkdir()
        (tmp_path / "work" / "b1.d" / "1.jp2").write_bytes(b"page")
        token = moved(modify.process(Token("b1", data=(DataRef("b1.d/", 4),))))
        sums.add(token.data[0].sha256)

    assert len(sums) == 1
    assert token.fields == {"noted": True}
    assert names(tmp_path / "work") == [f"b1.{repack}"]


def test_an_upload_is_verified_and_happens_once(tmp_path: Path) -> None:
    upload = make_filter(tmp_path, "Uploader", target="archive/{barcode}.zst")
    (tmp_path / "work" / "b1.zst").write_bytes(b"content")
    token = Token("b1", data=(DataRef("b1.zst", 7, sha(b"content")),))

    first = moved(upload.process(token))
    written = (tmp_path / "archive" / "b1.zst").stat().st_mtime_ns
    second = moved(upload.process(token))

    assert first == second
    assert (tmp_path / "archive" / "b1.zst").stat().st_mtime_ns == written
    assert names(tmp_path / "work") == []
    with pytest.raises(PermanentError, match="is gone"):
        upload.process(Token("b2", data=(DataRef("b2.zst", 7, "0"),)))


def test_what_is_there_of_the_same_size_and_other_bytes_is_replaced(tmp_path: Path) -> None:
    upload = make_filter(tmp_path, "Uploader", target="archive/{barcode}.zst")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "b1.zst").write_bytes(b"contemt")
    (tmp_path / "work" / "b1.zst").write_bytes(b"content")
    token = Token("b1", data=(DataRef("b1.zst", 7, sha(b"content")),))

    upload.process(token)
    assert (tmp_path / "archive" / "b1.zst").read_bytes() == b"content"

    (tmp_path / "archive" / "b1.zst").write_bytes(b"contemt")
    with pytest.raises(PermanentError, match="is gone"):
        upload.process(token)


def test_an_upload_of_what_was_damaged_here_is_an_error(tmp_path: Path) -> None:
    """And what the store has of an earlier day stays as it is."""
    upload = make_filter(tmp_path, "Uploader", target="archive/{barcode}.zst")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "b1.zst").write_bytes(b"earlier")
    (tmp_path / "work" / "b1.zst").write_bytes(b"contemt")

    with pytest.raises(PermanentError, match="changed or damaged: expected sha256"):
        upload.process(Token("b1", data=(DataRef("b1.zst", 7, sha(b"content")),)))

    assert (tmp_path / "archive" / "b1.zst").read_bytes() == b"earlier"


def test_files_of_one_name_at_the_provider_are_kept_apart(tmp_path: Path) -> None:
    """`{barcode}/pages.zip`: the second token must not find the file of the first."""
    for identity in ("b1", "b2"):
        (tmp_path / identity).mkdir()
        (tmp_path / identity / "pages.zip").write_text(identity)
    download = make_filter(tmp_path, "Downloader", source="{barcode}/pages.zip", free=0)

    tokens = [moved(download.process(Token(identity))) for identity in ("b1", "b2")]

    assert [token.data[0].sha256 for token in tokens] == [sha(b"b1"), sha(b"b2")]
    assert names(tmp_path / "work") == ["b1.pages.zip", "b2.pages.zip"]


def test_an_archiver_moves_the_data_or_leaves_a_mark(tmp_path: Path) -> None:
    move, mark = make_filter(tmp_path, "Archiver"), make_filter(tmp_path, "Archiver", mode="marker")
    (tmp_path / "work" / "b1.zst").write_bytes(b"content")
    token = Token("b1", data=(DataRef("b1.zst", 7),))

    moved(mark.process(token))
    first = moved(move.process(token))

    assert moved(move.process(token)) == first
    assert names(tmp_path / "done") == ["b1.done", "b1.zst"]


def test_a_monitor_asks_once_for_all_and_uses_up_no_attempt(tmp_path: Path) -> None:
    (tmp_path / "ask").write_text(
        "#!/bin/sh\necho x >> asked\necho 'barcode,state\nb1,ready\nb2,failed\nb3,busy'\n"
    )
    monitor = make_filter(tmp_path, "Monitor", command="sh ask")

    assert moved(monitor.process(Token("b1"))).id == "b1"
    with pytest.raises(PermanentError, match="says that it failed"):
        monitor.process(Token("b2"))
    assert isinstance(monitor.process(Token("b3")), Later)
    assert monitor.process(Token("b4")).reason == "its state is unknown"  # type: ignore[union-attr]
    assert (tmp_path / "asked").read_text() == "x\n"


def test_a_splitter_makes_parts_and_a_collector_the_whole_again(tmp_path: Path) -> None:
    split, collect = make_filter(tmp_path, "Splitter", size=2), make_filter(tmp_path, "Collector")
    (tmp_path / "work" / "b1.d").mkdir()
    for n in range(5):
        (tmp_path / "work" / "b1.d" / f"{n}.jp2").write_bytes(b"page")
    token = Token("b1", data=(DataRef("b1.d/", 20),), fields={"shelf": "A"})

    outcome = split.process(token)

    assert isinstance(outcome, Split)
    assert [child.id for child in outcome.children] == ["b1.0001", "b1.0002", "b1.0003"]
    assert {collect.group(child) for child in outcome.children} == {("b1", 3)}  # type: ignore[attr-defined]
    whole = collect.collect(list(reversed(outcome.children)))  # type: ignore[attr-defined]
    assert [reference.path for reference in whole.data] == [f"b1.d/{n}.jp2" for n in range(5)]
    assert whole.fields == {"shelf": "A"}


def test_a_command_is_judged_by_its_exit_code(tmp_path: Path) -> None:
    good = make_filter(tmp_path, "Shell", command="touch {barcode}.out")
    again = make_filter(tmp_path, "Shell", command="sh -c 'echo busy; exit 75'")
    never = make_filter(tmp_path, "Shell", command="sh -c 'exit 65'")
    absent = make_filter(tmp_path, "Shell", command="no-such-program")

    good.process(Token("b 1; rm x"))

    assert names(tmp_path / "work") == ["b 1; rm x.out"]
    (problem,) = Shell.problems(
        FilterContext("s", tmp_path, args={"command": "sh -c 'x {barcode}'"})
    )
    assert "$PENSTOCK_TOKEN" in problem
    with pytest.raises(RetryableError, match="busy"):
        again.process(Token("b1"))
    with pytest.raises(PermanentError):
        never.process(Token("b1"))
    with pytest.raises(PermanentError, match="no such program"):
        absent.process(Token("b1"))


def test_a_function_is_a_filter(tmp_path: Path) -> None:
    (tmp_path / "yours.py").write_text(
        "def f(token, context):\n    return token.with_fields(seen=context.name)\n"
    )

    token = moved(make_filter(tmp_path, "PythonFunction", function="yours:f").process(Token("b1")))

    assert token.fields == {"seen": "PythonFunction"}
