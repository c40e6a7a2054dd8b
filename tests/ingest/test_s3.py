"""The same pipeline with everything on S3: source, table, dead letters, plans and seals."""

import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from penstock import ingest
from tests.ingest.s3_lake import FILES, S3Lake
from tests.small_s3 import small_s3

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with small_s3() as endpoint:
        yield endpoint


@pytest.fixture
def lake(endpoint: str, tmp_path: Path, request: pytest.FixtureRequest) -> S3Lake:
    bucket = f"test-{abs(hash(request.node.name))}"
    urlopen(Request(f"{endpoint}/{bucket}", method="PUT")).close()
    options = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    made = S3Lake(options, bucket, tmp_path)
    made.fill()
    return made


def test_source_table_and_dead_letters_may_all_be_on_s3(lake: S3Lake) -> None:
    """`storage_options` of the configuration are all that is different."""
    report = ingest.run(lake.config())

    [pipeline] = report.pipelines
    assert (pipeline.ended, pipeline.figures.files_processed) == ("completed", FILES - 1)
    lake.check()


@pytest.mark.case("k14")
def test_a_killed_run_is_resumed_by_another_machine(lake: S3Lake) -> None:
    """Nothing that counts is on the local disk."""
    assert lake.run(lake.config("first"), PENSTOCK_FAILPOINTS="commit.after@2=kill") == (
        -signal.SIGKILL
    )

    report = ingest.run(lake.config("second"))

    assert report.exit_code == 0
    assert report.pipelines[0].figures.files_processed < FILES - 1
    lake.check()
