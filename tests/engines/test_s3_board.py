"""A board whose data files are fetched from, and stored on, a real S3 server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import S3Server
from tests.ingest.kills import KillServer
from tests.kanban.s3_board import downloads_survive_kills, place, uploads_survive_kills

pytestmark = pytest.mark.engine("s3")


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    made = KillServer("tests.kanban.filter_victim")
    yield made
    made.close()


def test_a_download_killed_anywhere_comes_to_the_same_end(
    server: KillServer, s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    """What was read of an object before a crash is not read again."""
    options = s3_server.storage_options
    campaign = downloads_survive_kills(server, place(bucket, tmp_path), options, tmp_path)

    assert campaign.kills["download.block"] == 3


def test_an_upload_killed_anywhere_comes_to_the_same_end(
    server: KillServer, s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    """The object is whole, and is read back before the local file goes."""
    options = s3_server.storage_options
    campaign = uploads_survive_kills(server, place(bucket, tmp_path), options, tmp_path)

    assert campaign.kills.total() >= 6
