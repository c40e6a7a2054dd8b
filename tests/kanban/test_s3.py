"""Data files on an S3 server: a small one here, a real one in `make engines`."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from msgspec.structs import replace

from penstock.base import ConfigError, Failpoints
from penstock.kanban import DataRef, PermanentError, Token
from penstock.kanban._ledger import COMPLETED, Item
from tests.ingest.kills import KillServer
from tests.kanban.filters import make_filter, moved
from tests.kanban.s3_board import (
    CONTENT,
    downloads_survive_kills,
    opened,
    operator,
    place,
    references,
    uploads_survive_kills,
)
from tests.small_s3 import small_s3

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    """How to reach a small S3 server with a bucket in it, with the keys that pipelines take too."""
    with small_s3() as endpoint:
        urlopen(Request(f"{endpoint}/bucket", method="PUT")).close()
        yield {
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
            "aws_endpoint_url": endpoint,
        }


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    made = KillServer("tests.kanban.filter_victim")
    yield made
    made.close()


def test_a_download_killed_anywhere_comes_to_the_same_end(
    server: KillServer, options: dict[str, str], tmp_path: Path
) -> None:
    campaign = downloads_survive_kills(server, place("bucket", tmp_path), options, tmp_path)

    assert campaign.kills["download.block"] == 3


def test_an_upload_killed_anywhere_comes_to_the_same_end(
    server: KillServer, options: dict[str, str], tmp_path: Path
) -> None:
    campaign = uploads_survive_kills(server, place("bucket", tmp_path), options, tmp_path)

    assert campaign.kills.total() >= 6


def test_what_was_read_before_a_crash_is_not_read_again(
    options: dict[str, str], tmp_path: Path
) -> None:
    """Of the same version; the object that took its place is read from its start."""
    url = place("bucket", tmp_path)
    store = opened(url, options)
    store.put("b1.gpg", CONTENT)
    args = {"source": f"{url}/{{barcode}}.gpg", "free": 0, "storage_options": options}
    read = []

    class BrokenError(Exception):
        pass

    def attempt(breaks: bool) -> Token:
        download = make_filter(tmp_path, "Downloader", **args)

        def cross(point: str) -> None:
            read.append(point)
            if breaks and point == "download.block":
                raise BrokenError

        points = Failpoints({("download.block", 0): cross})
        download.context = replace(download.context, failpoints=points)
        return moved(download.process(Token("b1")))

    with pytest.raises(BrokenError):
        attempt(breaks=True)
    token = attempt(breaks=False)
    resumed = read.count("download.block")
    (tmp_path / "work" / "b1.gpg").unlink()
    with pytest.raises(BrokenError):
        attempt(breaks=True)
    store.put("b1.gpg", CONTENT[::-1])
    attempt(breaks=False)

    assert token.data[0].size == len(CONTENT)
    assert resumed == 3
    assert (tmp_path / "work" / "b1.gpg").read_bytes() == CONTENT[::-1]


def test_what_a_store_has_already_is_not_sent_again(
    options: dict[str, str], tmp_path: Path
) -> None:
    """Of the same size is not the same: the checksum decides."""
    url = place("bucket", tmp_path)
    store = opened(url, options)
    store.put("b1.zst", b"contemt")
    upload = make_filter(
        tmp_path, "Uploader", target=f"{url}/{{barcode}}.zst", storage_options=options, keep=True
    )
    (tmp_path / "work" / "b1.zst").write_bytes(b"content")

    first = moved(upload.process(Token("b1", data=(DataRef("b1.zst", 7),))))
    stored = store.head("b1.zst")
    again = moved(upload.process(Token("b1", data=(DataRef("b1.zst", 7),))))

    assert stored is not None
    assert store.head("b1.zst") == stored
    assert store.get("b1.zst") == b"content"
    assert first == again
    assert first.data[0].path == f"{url}/b1.zst"


def test_what_is_not_there_is_an_error_at_once(options: dict[str, str], tmp_path: Path) -> None:
    download = make_filter(
        tmp_path, "Downloader", source=f"{place('bucket', tmp_path)}/{{barcode}}", storage_options=options
    )  # fmt: skip

    with pytest.raises(PermanentError, match="b1 does not exist"):
        download.process(Token("b1"))


def test_what_a_store_has_is_compared_with_the_ledger(
    options: dict[str, str], tmp_path: Path
) -> None:
    url = place("bucket", tmp_path)
    store = opened(url, options)
    for name in ("good", "short", "stray"):
        store.put(f"books/{name}.zst", b"content")
    filters = [
        {"name": "up", "class": "Uploader", "input_pipe": "p/0", "output_pipe": "p/1",
         "args": {"target": f"{url}/books/{{barcode}}.zst"}},
    ]  # fmt: skip
    settings = {"storage_options": references(options, tmp_path), "sync": False}
    board = operator(tmp_path, {"global": settings, "filters": filters})
    ledger = board.ledger()
    ledger.note(
        Item(name, COMPLETED, bytes=size) for name, size in (("good", 7), ("short", 9), ("gone", 7))
    )

    found = board.reconcile()

    assert (found.missing, found.extra) == (("gone",), ("stray",))
    assert found.differing == {"short": "expected 9 bytes, got 7"}


def test_options_of_the_store_are_checked_before_anything_starts(tmp_path: Path) -> None:
    """A secret in plain text, an option that no store knows, a scheme that is none: all at once."""
    (tmp_path / "in").mkdir()
    filters = [
        {"name": "d", "class": "Downloader", "input_pipe": "p/0", "output_pipe": "p/1",
         "args": {"source": "in/{barcode}", "storage_options": {"aws_secret_access_key": "plain"}}},
        {"name": "u", "class": "Uploader", "input_pipe": "p/1", "output_pipe": "p/2",
         "args": {"target": "s4://x/y/{barcode}"}},
        {"name": "v", "class": "Uploader", "input_pipe": "p/2", "output_pipe": "p/3",
         "args": {"target": "s3://x/y/{barcode}", "storage_options": {"aws_endpont": "http://h"}}},
    ]  # fmt: skip

    with pytest.raises(ConfigError) as raised:
        operator(tmp_path, {"filters": filters})

    said = str(raised.value)
    for part in ("a secret in plain text", "unknown scheme 's4'", "aws_endpont"):
        assert part in said
