"""Claims that go back, and files that turn out to be no tokens, or one too many."""

from contextlib import suppress

from penstock.kanban._bucket import Bucket
from penstock.kanban._disk import exists
from penstock.kanban._errors import TokenError
from penstock.kanban._token import SUFFIX, Priority, Token, decode


def look(bucket: Bucket, path: str, stem: str) -> tuple[Token | None, bool, str]:
    """The token in a file that waits, whether a program of ours wrote it, and what is wrong with it.

    Raises:
        FileNotFoundError: It has moved on.
    """
    try:
        token, ours = decode(bucket.disk.read(path), place=path, stem=stem)
    except (IsADirectoryError, PermissionError) as error:
        return None, False, f"cannot be read: {error.strerror}"
    except TokenError as error:
        return None, False, str(error)
    return token, ours, ""


def put_anew(bucket: Bucket, path: str) -> bool:
    """Whether an id that waits on a shelf waits here anew as well: then the one on the shelf is an error.

    Who puts a token looks at the shelves, and who returns some looks at what waits; this is for
    those who did so at the same instant.
    """
    identity = path.rpartition("/")[2].removesuffix(SUFFIX)
    if not exists(bucket.places.waiting(identity, Priority.NORMAL)):
        return False
    bucket.disk.rename_new(path, bucket.places.free_error(identity))
    return True


def put_back(bucket: Bucket, path: str, token: Token) -> None:
    """Let a token wait again where it was taken; if its id has been put there anew, it is an error.

    The caller holds the claim and, where there is a limit, the bucket's entry.
    """
    try:
        bucket.returned.shelves()
        bucket.returned.check(token)
        bucket.disk.rename_new(path, bucket.places.waiting(token.id, token.priority))
    except FileExistsError:
        bucket.disk.rename_new(path, bucket.places.free_error(token.id))


def refuse(bucket: Bucket, path: str, problem: str) -> None:
    """Put what cannot be read into `errors/` as it is, with a note beside it."""
    stem = path.rpartition("/")[2].removesuffix(SUFFIX)
    target = bucket.places.free_error(stem)
    with suppress(FileExistsError):
        bucket.disk.write(f"{target}.reason", problem.encode() + b"\n", sync=False)
    bucket.disk.rename_new(path, target)
