"""Every store keeps the port's promises."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from penstock.storage import (
    ChangedError,
    LocalStore,
    LocationError,
    NotFoundError,
    ObjectStore,
    StoragePool,
    StoreUnavailableError,
    open_store,
)
from tests.small_s3 import small_s3

S3_OPTIONS = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "aws_region": "us-east-1",
    "aws_allow_http": "true",
}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The endpoint of a small S3 server with a bucket in it."""
    with small_s3() as endpoint:
        urlopen(Request(f"{endpoint}/bucket", method="PUT")).close()
        yield endpoint


@pytest.fixture(params=["local", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "s3":
        options = {**S3_OPTIONS, "AWS_ENDPOINT_URL": request.getfixturevalue("s3")}
        return open_store(f"s3://bucket/{tmp_path.name}", options)
    url = str(tmp_path / "root") if request.param == "local" else "memory://bucket/some/prefix"
    return open_store(url)


@pytest.mark.slow
def test_a_missing_bucket_is_a_failure_of_the_store(s3: str) -> None:
    """Else a misspelt bucket would look like files that are gone."""
    store = open_store("s3://none/x", {**S3_OPTIONS, "aws_endpoint_url": s3})

    for attempt in (lambda: store.get("k"), lambda: store.head("k"), lambda: list(store.list())):
        with pytest.raises(StoreUnavailableError):
            attempt()


def test_what_was_put_is_read_back(store: ObjectStore) -> None:
    """Also replaced, and also empty."""
    store.put("a/b", b"one")
    store.put("a/b", b"two")
    store.put("a/empty", b"")

    assert store.get("a/b") == b"two"
    with store.open("a/empty") as reader:
        assert reader.read() == b""


def test_a_missing_object_is_not_a_failed_store(store: ObjectStore) -> None:
    """Callers drop a file for the first and back off for the second."""
    assert store.head("no/such") is None
    with pytest.raises(NotFoundError):
        store.get("no/such")
    with pytest.raises(NotFoundError):
        store.open("no/such")
    store.delete("no/such")


@pytest.mark.case("k15")
def test_of_many_rivals_one_puts_the_object(store: ObjectStore) -> None:
    """Plans and seals stand on this."""
    wins: list[bytes] = []
    barrier = threading.Barrier(6)

    def rival(number: int) -> None:
        data = f"rival {number}".encode()
        barrier.wait()
        if store.put_if_absent("plan", data):
            wins.append(data)

    threads = [threading.Thread(target=rival, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wins == [store.get("plan")]


def test_putting_equal_bytes_again_counts_as_done(store: ObjectStore) -> None:
    """A repeat after a lost answer is the same deed, not a lost race."""
    assert store.put_if_absent("k", b"mine")
    assert store.put_if_absent("k", b"mine")
    assert not store.put_if_absent("k", b"yours")


@pytest.mark.case("k12")
def test_names_come_sorted_as_whole_names(store: ObjectStore) -> None:
    """`a-b` sorts before `a/b` although folder `a` sorts before file `a-b`."""
    names = ["a/z", "a-b", "a/b/c", "b", "a.txt", "ab/x"]
    for name in names:
        store.put(name, b"")

    assert [meta.name for meta in store.list()] == sorted(names)
    assert [meta.name for meta in store.list("a")] == ["a/b/c", "a/z"]
    assert [meta.name for meta in store.list(start_after="a/b/c")] == ["a/z", "ab/x", "b"]
    assert [meta.name for meta in store.list("none")] == []


def test_a_version_changes_with_the_content(store: ObjectStore) -> None:
    """Of equal length, too."""
    store.put("k", b"one")
    before = store.head("k")
    store.put("k", b"two")
    after = store.head("k")

    assert before is not None
    assert after is not None
    assert before.version != after.version
    with pytest.raises(ChangedError):
        store.open("k", version=before.version)
    with store.open("k", version=after.version) as reader:
        assert reader.read() == b"two"


def test_a_reader_may_start_anywhere(store: ObjectStore) -> None:
    """What was read before a crash need not be read again; at the end there is nothing more."""
    store.put("k", b"0123456789")

    for start, rest in ((0, b"0123456789"), (7, b"789"), (10, b"")):
        with store.open("k", start=start) as reader:
            assert reader.read() == rest


def test_a_file_goes_up_whole(store: ObjectStore, tmp_path: Path) -> None:
    """And replaces what is there; the caller may delete its copy."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(100_000))
    store.put("parts/one", b"old")

    store.put_file("parts/one", source)
    store.put_file("parts/one", source)
    content = source.read_bytes()
    source.unlink()

    assert store.get("parts/one") == content
    assert [meta.name for meta in store.list()] == ["parts/one"]


def test_a_remote_object_replaced_while_it_is_read_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of one version and half of another would be rows that never were."""
    monkeypatch.setattr("penstock.storage._remote._READ_BYTES", 4)
    store = open_store("memory://bucket")
    store.put("k", b"12345678")
    reader = store.open("k")

    assert reader.read(4) == b"1234"
    store.put("k", b"abcdefgh")
    with pytest.raises(ChangedError):
        reader.read(4)


def test_a_local_file_changed_while_it_is_read_is_noticed_at_its_end(tmp_path: Path) -> None:
    """A file that somebody appends to is not read as if it were finished."""
    path = tmp_path / "f"
    path.write_bytes(b"1234")
    reader = LocalStore(tmp_path).open("f")

    assert reader.read(4) == b"1234"
    with path.open("ab") as file:
        file.write(b"5678")
    assert reader.read(4) == b"5678"
    with reader, pytest.raises(ChangedError):
        reader.read(4)


def test_links_in_a_circle_do_not_end_a_listing(tmp_path: Path) -> None:
    """A link to a parent, to itself, to nothing; a pipe."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_bytes(b"x")
    (tmp_path / "d" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "nothing").symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")

    assert [meta.name for meta in LocalStore(tmp_path).list()] == ["d/file"]


@pytest.mark.case("k15")
def test_what_a_dead_writer_left_is_neither_listed_nor_kept(tmp_path: Path) -> None:
    """A fresh leftover may be a rival's, still being written; an old one goes."""
    old, young = tmp_path / ".penstock-tmp-old", tmp_path / ".penstock-tmp-young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, 0))
    store = LocalStore(tmp_path)

    store.put("k", b"whole")

    assert [meta.name for meta in store.list()] == ["k"]
    assert not old.exists()
    assert young.exists()


def test_a_full_disk_is_a_failure_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left behind, and the old content still stands."""
    store = LocalStore(tmp_path)
    store.put("k", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailableError, match="No space left"):
        store.put("k", b"new")
    with pytest.raises(StoreUnavailableError):
        store.put_if_absent("other", b"new")

    assert store.get("k") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


@pytest.mark.parametrize("key", ["", "../x", "a/../b", "a//b", "./a"])
def test_a_key_cannot_leave_its_store(tmp_path: Path, key: str) -> None:
    """Names of source files end up as keys."""
    with pytest.raises(ValueError, match="relative path"):
        LocalStore(tmp_path).get(key)


def test_an_unreachable_store_says_so() -> None:
    """Not 'not found': nothing must be dropped because of a network."""
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "aws_allow_http": "true",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
        "aws_region": "us-east-1",
        "timeout": "1s",
    }
    store = StoragePool(retries=0).open("s3a://bucket/path", options)

    for attempt in (
        lambda: store.get("k"),
        lambda: store.head("k"),
        lambda: store.put_if_absent("k", b""),
        lambda: list(store.list()),
    ):
        with pytest.raises(StoreUnavailableError, match="s3://bucket/path"):
            attempt()


@pytest.mark.case("k30")
def test_one_client_serves_a_bucket_unless_pooling_is_off() -> None:
    """Another endpoint, other credentials or another bucket is another client."""
    options = {"aws_region": "us-east-1"}
    pool = StoragePool()
    for url in ("s3://one/a", "s3://one/b", "s3a://one/c"):
        pool.open(url, options)
    assert pool.clients == 1
    pool.open("s3://two", options)
    pool.open("s3://one", {**options, "aws_access_key_id": "x", "aws_secret_access_key": "y"})
    assert pool.clients == 3

    separate = StoragePool(connection_pooling=False)
    separate.open("s3://one", options)
    assert separate.clients == 0


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("ftp://host/x", {}, "unknown scheme 'ftp'"),
        ("s3:///x", {}, "bucket is missing"),
        ("file://host/x", {}, "no host"),
        ("s3://b", {"aws_no_such": "1"}, "aws_no_such"),
    ],
)
def test_a_location_that_cannot_be_is_refused(url: str, options: dict[str, str], says: str) -> None:
    """Before anything is tried."""
    with pytest.raises(LocationError, match=says):
        open_store(url, options)


def test_file_urls_and_paths_are_the_same_place(tmp_path: Path) -> None:
    """With an escaped blank."""
    folder = tmp_path / "a b"
    open_store(f"file://{tmp_path}/a%20b").put("k", b"v")

    assert open_store(str(folder)).get("k") == b"v"
