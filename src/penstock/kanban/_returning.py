"""Claims that go back, and files that turn out to be no tokens."""

from contextlib import suppress

from penstock.kanban._bucket import Bucket
from penstock.kanban._token import Token


def put_back(bucket: Bucket, path: str, token: Token) -> None:
    """Let a token wait again where it was taken; if its id has been put there anew, it is an error.

    The caller holds the claim and, where there is a limit, the bucket's entry.
    """
    try:
        bucket.disk.rename_new(path, bucket.places.waiting(token.id, token.priority))
    except FileExistsError:
        bucket.disk.rename_new(path, bucket.places.free_error(token.id))


def refuse(bucket: Bucket, path: str, problem: str) -> None:
    """Put what cannot be read into `errors/` as it is, with a note beside it."""
    stem = path.rpartition("/")[2].removesuffix(".json")
    target = bucket.places.free_error(stem)
    with suppress(FileExistsError):
        bucket.disk.write(f"{target}.reason", problem.encode() + b"\n", sync=False)
    bucket.disk.rename_new(path, target)
