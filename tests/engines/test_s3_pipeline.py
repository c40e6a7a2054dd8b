"""The pipeline against a real S3 server: rivals, kills, an outage, and answers that are lost."""

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from penstock import ingest
from penstock.table import DeltaLakeTable
from tests.conftest import S3Server
from tests.engines.conftest import make_bucket
from tests.engines.lossy_proxy import lossy_proxy
from tests.ingest.s3_lake import FILES, S3Lake
from tools.engines.server import free_port
from tools.engines.supply import Supply
from tools.engines.versitygw import ACCESS_KEY, SECRET_KEY, VersityGateway

pytestmark = pytest.mark.engine("s3")

_COMMITS = r"^PUT /[^?]*_delta_log/[^?]*\.json"
_RECORDS = r"^PUT /[^?]*_penstock/[^?]*/(plans|results)/"


@pytest.fixture
def lake(s3_server: S3Server, bucket: str, tmp_path: Path) -> S3Lake:
    made = S3Lake(s3_server.storage_options, bucket, tmp_path)
    made.fill()
    return made


def until(reached: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait for a state that another process brings about."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {seconds:g} s"
        pause.wait(0.05)


def test_files_become_rows_and_dead_letters_once(lake: S3Lake) -> None:
    report = ingest.run(lake.config())

    assert report.pipelines[0].figures.files_processed == FILES - 1
    lake.check()


def test_two_rivals_share_the_work_and_double_nothing(lake: S3Lake) -> None:
    """Two machines with one configuration: what decides is the store, not who is first."""
    lake.fill(8, first=FILES)
    rivals = [lake.start(lake.config(name), "--once") for name in ("one", "two")]

    assert [rival.wait(90) for rival in rivals] == [0, 0]
    lake.check()


def test_killed_at_every_point_in_turn_it_ends_with_every_row_once(lake: S3Lake) -> None:
    """Each start goes on where the one before was killed."""
    points = ("plan.written", "output.stored", "letters.stored", "seal.before", "seal.written")
    points += ("commit.before", "commit.after", "ack.before")
    for point in points:
        assert lake.run(lake.config(), PENSTOCK_FAILPOINTS=f"{point}@1=kill") == -signal.SIGKILL

    assert lake.run(lake.config()) == 0
    lake.check()


@pytest.mark.case("answer")
@pytest.mark.parametrize("lost", [_COMMITS, _RECORDS], ids=["commits", "plans and seals"])
def test_a_deed_whose_answer_was_lost_is_not_done_twice(
    s3_server: S3Server, lake: S3Lake, lost: str
) -> None:
    """The commit landed, the plan was stored: only the answer never came."""
    with lossy_proxy(s3_server.endpoint, lost) as proxy:
        assert lake.run(lake.config(endpoint=proxy.endpoint)) == 0

    assert len(proxy.lost) >= 2
    lake.check()
    # Parts go by the hash of their content, so that a plan committed twice would show only in the log.
    url = f"s3://{lake.bucket}/table"
    history = DeltaTable(url, storage_options=dict(lake.options)).history()
    plans = Counter(entry["penstock.plan"] for entry in history if "penstock.plan" in entry)
    assert set(plans.values()) == {1}


def test_a_writer_that_retries_blindly_doubles_its_batch(s3_server: S3Server, bucket: str) -> None:
    """The planted fault: it shows that the proxy loses what matters."""
    uri, rows = f"s3://{bucket}/table", pa.table({"x": [1, 2, 3]})
    options = {**s3_server.storage_options, "aws_conditional_put": "etag"}
    write_deltalake(uri, rows.slice(0, 0), storage_options=options)

    with lossy_proxy(s3_server.endpoint, _COMMITS, every=1000) as proxy:
        lossy = {**options, "AWS_ENDPOINT_URL": proxy.endpoint, "max_retries": "0"}
        try:
            write_deltalake(uri, rows, mode="append", storage_options=lossy)
        except (DeltaError, OSError):
            write_deltalake(uri, rows, mode="append", storage_options=lossy)

    assert len(proxy.lost) == 1
    stored = DeltaTable(uri, storage_options=options).to_pyarrow_dataset().to_table()
    assert Counter(stored.column("x").to_pylist()) == Counter({1: 2, 2: 2, 3: 2})


def test_an_outage_is_waited_for(tmp_path: Path) -> None:
    """The server is killed and comes back: not ready meanwhile, nothing dead-lettered, then on."""
    gateway = VersityGateway()
    program, directory = gateway.obtain(Supply(within_s=60)), tmp_path / "server"
    directory.mkdir()
    address, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    server = S3Server(f"http://{address}", ACCESS_KEY, SECRET_KEY)
    with gateway.serve(program, directory, address) as child:
        lake = S3Lake(server.storage_options, make_bucket(server), tmp_path)
        lake.fill()
        follower = lake.start(
            lake.config(),
            "--metrics-address",
            metrics,
            PENSTOCK_FAILPOINTS="seal.before@0=wait:0.3",
        )
        commits = directory / "objects" / lake.bucket / "table" / "_delta_log"
        until(lambda: commits.is_dir() and len([*commits.iterdir()]) >= 3)
        child.kill()
        child.wait()
    try:
        until(lambda: readiness(metrics) == 503)
        with gateway.serve(program, directory, address):
            until(lambda: rows_of(lake) >= lake.rows.total())
            until(lambda: readiness(metrics) == 200)
            follower.send_signal(signal.SIGTERM)
            assert follower.wait(60) == 0
            lake.check()
    finally:
        end(follower)


def readiness(address: str) -> int:
    """The status of `/readyz`; 0 where nobody listens yet."""
    try:
        with urlopen(f"http://{address}/readyz", timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0


def rows_of(lake: S3Lake) -> int:
    return DeltaLakeTable(f"s3://{lake.bucket}/table", lake.options).rows(["line"]).num_rows


def end(child: "subprocess.Popen[str]") -> None:
    """What a failed test would leave behind."""
    with suppress(ProcessLookupError):
        child.kill()
    child.wait()
