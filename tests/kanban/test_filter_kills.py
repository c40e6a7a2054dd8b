"""Each built-in filter is killed at every crossing of every failpoint, and comes to the same end."""

import gzip
import hashlib
import io
import random
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from penstock.kanban import DataRef, Token
from tests.ingest.kills import KillServer
from tests.kanban.filter_kills import FilterCase, FilterKills
from tests.kanban.filters import PASSPHRASE

CONTENT = random.Random(7).randbytes(2_500_000)


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    made = KillServer("tests.kanban.filter_victim")
    yield made
    made.close()


def packed(*names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"page"))
    return gzip.compress(out.getvalue(), mtime=0)


def provider_files(root: Path) -> list[Token]:
    (root / "provider").mkdir()
    (root / "provider" / "b1.gpg").write_bytes(CONTENT)
    return [Token("b1", fields={"sum": hashlib.sha256(CONTENT).hexdigest()})]


_ENCRYPTED: dict[str, bytes] = {}


def encrypted(root: Path, name: str, content: bytes) -> list[Token]:
    """Made once: gpg is slow to start. The token is one made by hand, without data."""
    if name not in _ENCRYPTED:
        home = root / "gnupg"
        home.mkdir(mode=0o700)
        command = (
            f"gpg --batch --no-autostart --homedir {home} --pinentry-mode loopback "
            "--passphrase-fd 0 --s2k-count 65536 --output - --symmetric"
        )
        secret = PASSPHRASE.encode() + b"\n"
        done = subprocess.run(
            command.split(), input=secret + content, capture_output=True, check=True
        )
        _ENCRYPTED[name] = done.stdout
        shutil.rmtree(home)
    (root / "passphrase").write_text(PASSPHRASE)
    (root / "work" / name).write_bytes(_ENCRYPTED[name])
    return [Token("b1")]


def encrypted_file(root: Path) -> list[Token]:
    return encrypted(root, "b1.tar.gz.gpg", CONTENT[:50_000])


def encrypted_archive(root: Path) -> list[Token]:
    return encrypted(root, "b1.tgz.gpg", packed("1.jp2", "2.jp2"))


def archive_file(root: Path) -> list[Token]:
    (root / "work" / "b1.tar.gz").write_bytes(packed("1.jp2", "2.jp2"))
    return [Token("b1")]


def page_folder(root: Path) -> list[Token]:
    (root / "mine.py").write_text(
        "def add(folder, token):\n"
        "    (folder / 'note').write_text(token.id)\n"
        "    return token.with_fields(seen=token.fields.get('seen', 0) + 1)\n"
        "def f(token, context):\n"
        "    return token.with_fields(seen=token.fields.get('seen', 0) + 1)\n"
    )
    (root / "work" / "b1.d").mkdir()
    for number in range(3):
        (root / "work" / "b1.d" / f"{number}.jp2").write_bytes(b"page")
    return [Token("b1", data=(DataRef("b1.d/", 12),))]


def packed_file(root: Path) -> list[Token]:
    (root / "work" / "b1.zst").write_bytes(CONTENT[:1000])
    return [Token("b1")]


def several(root: Path) -> list[Token]:
    (root / "states.csv").write_text("barcode,state\nb1,ready\nb2,failed\nb3,ready\n")
    return [Token(f"b{number}") for number in (1, 2, 3)]


def parts(root: Path) -> list[Token]:
    fields = [{"parent": "b1", "part": number, "parts": 3} for number in (1, 2, 3)]
    return [Token(f"b1.{own['part']}", fields=own) for own in fields]


CASES = {
    "downloader": FilterCase(
        "Downloader", {"source": "provider/{barcode}.gpg", "free": 0, "sha256": "{sum}"}, provider_files,
        {"download.block", "download.fetched", "download.published"},
    ),
    "decryptor": FilterCase(
        "Decryptor", {}, encrypted_file, {"decrypt.written", "decrypt.published", "decrypt.removed", "seat.noted"},
        {"gpg_passphrase": "${file:passphrase}"},
    ),
    "extractor": FilterCase(
        "Extractor", {}, archive_file, {"extract.member", "extract.unpacked", "extract.published", "extract.removed"},
    ),
    "extractor that decrypts": FilterCase(
        "Extractor", {"decrypt": True}, encrypted_archive,
        {"extract.member", "extract.unpacked", "extract.published", "extract.removed"},
        {"gpg_passphrase": "${file:passphrase}"},
    ),
    "modifier": FilterCase(
        "Modifier", {"function": "mine:add", "repack": "tar.gz"}, page_folder,
        {"modify.copied", "modify.changed", "modify.published", "modify.noted", "modify.removed"},
    ),
    "modifier, not packed": FilterCase(
        "Modifier", {"function": "mine:add", "repack": "none"}, page_folder, {"modify.published", "modify.noted"},
    ),
    "uploader": FilterCase(
        "Uploader", {"target": "archive/{barcode}.zst"}, packed_file,
        {"upload.stored", "upload.verified", "upload.removed"},
    ),
    "archiver": FilterCase("Archiver", {}, packed_file, {"archive.moved"}),
    "archiver of directories": FilterCase("Archiver", {}, page_folder, {"archive.moved"}),
    "archiver, marker": FilterCase("Archiver", {"mode": "marker"}, packed_file, {"archive.marked"}),
    "monitor": FilterCase("Monitor", {"file": "states.csv"}, several, {"monitor.asked"}),
    "splitter": FilterCase(
        "Splitter", {"size": 2}, page_folder, {"split.made", "seat.prepared", "seat.decided", "settlement.child"}
    ),
    "collector": FilterCase(
        "Collector", {}, parts, {"collect.made", "seat.prepared", "seat.decided", "settlement.child"}
    ),
    "shell": FilterCase(
        "Shell", {"command": "cp -r b1.d copy-of-{barcode} --no-target-directory"}, page_folder, {"shell.ended"}
    ),
    "function": FilterCase("PythonFunction", {"function": "mine:f"}, page_folder, {"function.called"}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_filter_killed_anywhere_comes_to_the_same_end(
    server: KillServer, tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    """Same files, same token, wherever it was killed; nothing is left over of the attempt."""
    campaign = FilterKills(server, CASES[name], tmp_path)

    campaign.run()

    print(f"kills by point: {dict(campaign.kills)}")
    assert campaign.kills.total() >= 4
    record_property("kills", campaign.kills.total())


class Ranges(BaseHTTPRequestHandler):
    """Serves one file, from any byte on."""

    starts: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        ranged = self.headers.get("Range", "")
        start = int(ranged.removeprefix("bytes=").removesuffix("-")) if ranged else 0
        self.starts.append(start)
        self.send_response(206 if ranged else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        try:
            self.wfile.write(CONTENT[start:])
        except OSError:
            return  # it was killed

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_download_over_http_killed_anywhere_goes_on_where_it_was(
    server: KillServer, tmp_path: Path
) -> None:
    web = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    thread = threading.Thread(target=web.serve_forever, args=(0.01,))
    thread.start()
    try:
        args = {"source": f"http://127.0.0.1:{web.server_port}/{{barcode}}", "free": 0}
        points = {"download.block", "download.fetched", "download.published"}
        campaign = FilterKills(
            server, FilterCase("Downloader", args, lambda _: [Token("b1")], points), tmp_path
        )
        campaign.run()
    finally:
        web.shutdown()
        thread.join()
        web.server_close()

    assert campaign.kills["download.block"] == 3
    assert {1 << 20, 2 << 20} <= set(Ranges.starts)
