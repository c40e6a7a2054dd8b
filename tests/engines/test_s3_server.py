"""What exactly-once on S3 rests on, asked of a real server: conditional writes and the table's own record."""

from concurrent.futures import ThreadPoolExecutor

import obstore
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

from tests.conftest import S3Server

pytestmark = pytest.mark.engine("s3")


@pytest.fixture
def store(s3_server: S3Server, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=s3_server.endpoint,
        access_key_id=s3_server.access_key,
        secret_access_key=s3_server.secret_key,
        region="us-east-1",
        client_options={"allow_http": True},
    )


def test_of_many_who_put_the_same_name_if_absent_one_wins(store: S3Store) -> None:
    """Plans and seals are decided this way."""

    def put(writer: int) -> bool:
        try:
            obstore.put(store, "plans/1.json", str(writer).encode(), mode="create")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(put, range(12)))

    assert won.count(True) == 1
    assert bytes(obstore.get(store, "plans/1.json").bytes()) == str(won.index(True)).encode()


def test_an_update_of_a_version_that_is_gone_is_refused(store: S3Store) -> None:
    first = obstore.put(store, "state", b"1")
    seen = {"e_tag": first["e_tag"]}
    obstore.put(store, "state", b"2", mode=seen)

    with pytest.raises(PreconditionError):
        obstore.put(store, "state", b"3", mode=seen)

    assert bytes(obstore.get(store, "state").bytes()) == b"2"


def test_the_table_remembers_a_commit_whose_answer_was_lost(
    s3_server: S3Server, bucket: str
) -> None:
    """A writer that asks the table before it tries again does not double its rows."""
    uri = f"s3://{bucket}/table"
    options = {**s3_server.storage_options, "conditional_put": "etag"}
    rows = pa.table({"x": [1, 2, 3]})
    once = CommitProperties(app_transactions=[Transaction("lane", 1)])

    write_deltalake(uri, rows, mode="append", storage_options=options, commit_properties=once)

    table = DeltaTable(uri, storage_options=options)
    assert table.transaction_version("lane") == 1
    assert table.to_pyarrow_dataset().count_rows() == 3
