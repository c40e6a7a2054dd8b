"""Tokens replaced by others: written aside, decided by one rename, then carried out."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from penstock.base import Value
from penstock.kanban._bucket import Bucket
from penstock.kanban._disk import names_in
from penstock.kanban._places import token_names
from penstock.kanban._token import SUFFIX, Priority, Token

OPEN, DECIDED = ".out", ".settled"
_PLAN = "plan"


class Settlement(Value):
    """The tokens of a worker that others will take the place of."""

    folder: str
    """Ends in `.out` until it is decided, then in `.settled`; inside the worker's own directory."""
    members: tuple[str, ...]
    """File names of the claims that end with it."""
    target: str
    """The bucket that the children go into, from the bucket of the claims."""
    hold: bool
    """Whether they are held there."""

    def write(self, bucket: Bucket, children: Sequence[Token]) -> None:
        """Write the children and the plan aside, and make them durable.

        Raises:
            TokenError: One of them cannot be written; nothing was.
        """
        documents = [(child.id, child.encode()) for child in children]
        disk = bucket.disk
        clear(bucket, self.folder)
        disk.make_directory(self.folder)
        for name, document in documents:
            disk.write(f"{self.folder}/{name}{SUFFIX}", document, sync=False)
        plan = {"members": self.members, "target": self.target, "hold": self.hold}
        disk.write(f"{self.folder}/{_PLAN}", json.dumps(plan).encode(), sync=False)
        if bucket.sync:
            disk.sync_all(self.folder)

    def decide(self, bucket: Bucket) -> str:
        """From here on the children are the tokens; returns the folder's new name."""
        decided = self.folder.removesuffix(OPEN) + DECIDED
        bucket.disk.rename(self.folder, decided)
        if bucket.sync:
            bucket.disk.sync_directory(os.path.dirname(decided))
        return decided


def clear(bucket: Bucket, folder: str) -> None:
    """Remove what was written aside and not decided."""
    for name in names_in(folder):
        bucket.disk.remove(f"{folder}/{name}")
    with suppress(FileNotFoundError):
        bucket.disk.remove_directory(folder)


def target_of(folder: str, bucket: Bucket) -> Bucket:
    """The bucket that the children of a decided settlement go into."""
    plan = json.loads(bucket.disk.read(f"{folder}/{_PLAN}"))
    path = Path(os.path.normpath(f"{bucket.path}/{plan['target']}"))
    return Bucket(path, sync=bucket.sync, disk=bucket.disk, hold=plan["hold"])


def carry_out(folder: str, bucket: Bucket, into: Bucket) -> None:
    """Finish a decided settlement, from wherever it stopped.

    A child whose id is taken downstream goes to the errors of the bucket that it came from.
    """
    disk = bucket.disk
    plan = json.loads(disk.read(f"{folder}/{_PLAN}"))
    for member in plan["members"]:
        with suppress(FileNotFoundError):
            disk.remove(f"{os.path.dirname(folder)}/{member}")
    into.returned.shelves()
    for name in token_names(folder):
        path = f"{folder}/{name}"
        child = bucket.read(path)
        try:
            into.admit(path, child)
        except FileExistsError:
            disk.rename(path, f"{bucket.places.errors}/{name}")
        bucket.failpoints.cross("settlement.child")
    if bucket.sync:
        for shelf in (*(into.places.lane(priority) for priority in Priority), into.places.held):
            disk.sync_directory(shelf)
    disk.remove(f"{folder}/{_PLAN}")
    disk.remove_directory(folder)
