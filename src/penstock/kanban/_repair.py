"""What a person does to tokens: have another try at errors, end a delay, let a batch in."""

from secrets import token_hex

from penstock.kanban._bucket import Bucket
from penstock.kanban._disk import exists
from penstock.kanban._errors import TokenError
from penstock.kanban._places import token_names
from penstock.kanban._returning import put_back
from penstock.kanban._seat import Seat
from penstock.kanban._token import SUFFIX, Visit, stamp


def retry(bucket: Bucket, ids: frozenset[str] | None = None) -> int:
    """Let tokens that lie in `errors/` or are delayed wait again, their attempts forgotten.

    Args:
        bucket: Whose.
        ids: Which; by default all.

    Returns:
        How many; one that cannot be read stays where it is.
    """
    count = 0
    with Seat(bucket, f"operator-{token_hex(4)}") as seat, bucket.translated():
        for folder in (bucket.places.errors, bucket.places.delayed):
            for name in token_names(folder):
                if ids is None or name.removesuffix(SUFFIX) in ids:
                    count += _again(bucket, seat, f"{folder}/{name}")
    return count


def _again(bucket: Bucket, seat: Seat, path: str) -> bool:
    """Only who holds a token may rewrite it: it goes through the operator's own hands."""
    held = f"{bucket.places.claimed}/{seat.worker}/{path.rpartition('/')[2]}"
    try:
        token = bucket.read(path)
        bucket.disk.rename(path, held)
    except (FileNotFoundError, TokenError):
        return False
    now = stamp(bucket.clock.now())
    visit = Visit(bucket.name, seat.worker, now, now, "released", token.reason)
    changed = token.with_visit(visit, attempts=0, reason="", not_before="")
    bucket.disk.write(f"{held}.tmp", changed.encode(), sync=bucket.sync)
    bucket.disk.rename(f"{held}.tmp", held)
    with bucket.entry():
        put_back(bucket, held, changed)
    note = f"{path}.reason"
    if exists(note):
        bucket.disk.remove(note)
    return True
