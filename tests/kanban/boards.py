"""Small boards for tests."""

from pathlib import Path
from typing import Any

from penstock.kanban import Bucket, Token

PARTS = ("waiting", "claimed", "delayed", "held", "errors")


def make_bucket(path: Path, **options: Any) -> Bucket:
    """A bucket that is ready, and not made durable: tests cut no power."""
    return Bucket(path, **{"sync": False, **options}).prepare()


def make_token(identity: object = "b1", **options: Any) -> Token:
    """A token."""
    return Token(str(identity), **options)


def ids(bucket: Bucket, part: str = "waiting") -> list[str]:
    """The ids of the tokens in a part of a bucket, sorted."""
    return sorted(token.id for token in bucket.tokens(part))


def everywhere(*buckets: Bucket) -> list[str]:
    """Every id as often as it is found, over all parts of all buckets."""
    return sorted(
        identity for bucket in buckets for part in PARTS for identity in ids(bucket, part)
    )
