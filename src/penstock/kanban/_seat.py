"""A worker's seat at a bucket: the claims in its hands, and what becomes of them."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from penstock.base import Value
from penstock.kanban._bucket import Bucket, Room
from penstock.kanban._errors import (
    OTHER_FILE_SYSTEM,
    BucketError,
    TokenError,
    TokenExistsError,
    in_words,
)
from penstock.kanban._order import Candidate, Order
from penstock.kanban._returned import clear_shelves
from penstock.kanban._returning import look, put_anew, put_back, refuse
from penstock.kanban._settlement import Settlement, carry_out
from penstock.kanban._sitting import leave_seat, take_seat
from penstock.kanban._token import DONE, SUFFIX, Token, Visit, stamp

ADOPTED_AFTER_S = 2.0


class Claim(Value, eq=False):
    """A token in the hands of a worker, until that settles it or dies."""

    token: Token
    path: str
    start: str
    """When it was claimed: RFC 3339, UTC."""


class Seat:
    """The place of one worker at its input bucket; open it in a `with` block, in one thread.

    Its claims are live as long as the process lives: a lock that the kernel frees at death says so.
    What is still in hand when the block ends goes back. A claim is settled by exactly one of
    `move`, `split`, `fail`, `delay`, `discard` and `release`.
    """

    def __init__(
        self, bucket: Bucket, worker: str, *, into: Bucket | None = None, stage: str = ""
    ) -> None:
        """Take a seat.

        Args:
            bucket: Where tokens come from.
            worker: Unique among living workers of the bucket.
            into: Where finished tokens go: room there is reserved with each claim.
            stage: What the history calls this work; by default the bucket's name.
        """
        self.bucket = bucket
        self.worker = worker
        self.into = into
        self.hands: dict[str, Claim] = {}
        self.stage = stage or bucket.name
        self._folder = f"{bucket.places.claimed}/{worker}"
        self._descriptor = -1
        self._order = Order(bucket.places, seed=worker)
        self._returned = f"{bucket.places.returned}/"
        self._bounded = bucket.bounded or (into is not None and into.bounded)

    def __enter__(self) -> Self:
        with self.bucket.translated():
            self._descriptor = take_seat(self._folder, self.bucket)
            if self.into is not None:
                here, there = os.stat(self.bucket.path), os.stat(self.into.path)
                if here.st_dev != there.st_dev:
                    raise BucketError(str(self.into.path), OTHER_FILE_SYSTEM)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for claim in list(self.hands.values()):
            self.release(claim)
        with suppress(OSError):  # a recovery that finds it empty removes it
            leave_seat(self._folder, self.bucket)
        os.close(self._descriptor)

    def claim(self, limit: int = 1) -> list[Claim]:
        """Claim up to so many tokens that may be worked on now; fewer where downstream is full.

        Args:
            limit: The most to claim.

        Raises:
            BucketError: The directory does not allow it; nothing is lost.
        """
        bucket = self.bucket
        try:
            claims = self._claim_bounded(limit) if self._bounded else self._claim(limit, None)
        except OSError as error:
            raise in_words(error, str(bucket.path)) from error
        bucket.failpoints.cross("seat.claimed")
        return claims

    def _claim_bounded(self, limit: int) -> list[Claim]:
        into = self.into
        with self.bucket.entry():
            if into is None or not into.bounded:
                return self._claim(limit, None)
            with into.entry():
                room = into.room()
                return self._claim(limit, room) if room.open else []

    def _claim(self, limit: int, room: Room | None) -> list[Claim]:
        claims: list[Claim] = []
        order = self._order
        now = self.bucket.clock.now()
        start = stamp(now)
        order.begin(now.timestamp())
        while len(claims) < limit and (candidate := order.next()) is not None:
            claim = self._take(candidate, start)
            if claim is None:
                continue
            if room is not None and not room.take(claim.token.size):
                self._undo(claim, candidate)
                break
            claims.append(claim)
        if order.returned.emptied:
            order.returned.emptied = False
            clear_shelves(self.bucket.places, self.bucket.disk)
        return claims

    def claim_ids(self, ids: Sequence[str]) -> list[Claim]:
        """Claim those tokens that wait, and are still there; room downstream is not asked for."""
        claims = []
        start = stamp(self.bucket.clock.now())
        with self.bucket.translated(), self.bucket.entry():
            for identity in ids:
                word, path = self.bucket.places.find(identity) or ("", "")
                if word == "waiting":
                    folder, name = os.path.split(path)
                    claim = self._take(Candidate(0.0, name, folder), start)
                    claims += [claim] if claim else []
        return claims

    def next_due(self) -> float | None:
        """When the first delayed token may be taken, in seconds since 1970, as far as was seen."""
        return self._order.next_due()

    def move(self, claim: Claim, token: Token) -> None:
        """Hand the token on, changed, to the bucket `into`: first its content, then its place.

        Raises:
            TokenExistsError: That bucket has a token of this id; this one went to `errors/`.
            TokenError: It cannot be written; it is in hand as it was.
        """
        self.move_many([(claim, token)])

    def move_many(self, moves: Sequence[tuple[Claim, Token]]) -> None:
        """Hand on several tokens; one sync makes the whole group durable.

        Raises:
            TokenExistsError: The bucket `into` has a token of the same id as one of them, which
                went to `errors/`; those after it are still in hand.
        """
        bucket, into = self.bucket, self.into
        if into is None:
            raise BucketError(str(bucket.path), "this seat has no bucket to move tokens into")
        end = stamp(bucket.clock.now())
        alone = len(moves) == 1
        try:
            for claim, token in moves:
                visit = Visit(self.stage, self.worker, claim.start, end, DONE)
                data = token.encode_anew(visit)
                _write_aside(bucket, claim.path, data, sync=bucket.sync and alone)
            if bucket.sync and not alone:
                bucket.disk.sync_all(self._folder)
            bucket.failpoints.cross("seat.written")
            into.returned.shelves()
            for claim, token in moves:
                self._hand_on(claim, token, into)
            if bucket.sync:
                for shelf in {into.door(token) for _, token in moves}:
                    bucket.disk.sync_directory(shelf)
                bucket.disk.sync_directory(self._folder)
        except OSError as error:
            raise in_words(error, str(bucket.path)) from error

    def split(self, claims: Sequence[Claim], children: Sequence[Token]) -> None:
        """Replace tokens in hand by others, in the bucket `into`: all at one instant.

        The children are written aside and made durable; one rename decides. Before it a crash
        leaves the claims as they were, after it recovery only finishes the moves.

        Raises:
            TokenError: Ids are not their own, or a child cannot be written; nothing was changed.
        """
        if self.into is None:
            raise BucketError(str(self.bucket.path), "this seat has no bucket to move tokens into")
        ids = [child.id for child in children] + [claim.token.id for claim in claims]
        if len(ids) != len(set(ids)):
            raise TokenError(claims[0].token.id, f"expected ids of their own, got {sorted(ids)}")
        visited = [self._visited(claims[0], child, "done", attempts=0) for child in children]
        settlement = Settlement(
            folder=f"{self._folder}/{claims[0].token.id}.out",
            members=tuple(os.path.basename(claim.path) for claim in claims),
            target=os.path.relpath(self.into.path, self.bucket.path),
            hold=self.into.hold,
        )
        with self.bucket.translated():
            settlement.write(self.bucket, visited)
            self.bucket.failpoints.cross("seat.prepared")
            decided = settlement.decide(self.bucket)
            self.bucket.failpoints.cross("seat.decided")
            carry_out(decided, self.bucket, self.into)
        for claim in claims:
            del self.hands[claim.path]

    def note(self, claim: Claim, token: Token) -> Claim:
        """Write down what is known of a token in hand; it stays there. Returns the claim as it is now."""
        with self.bucket.translated():
            _rewrite(self.bucket, claim.path, token)
        self.bucket.failpoints.cross("seat.noted")
        noted = replace(claim, token=token)
        self.hands[claim.path] = noted
        return noted

    def fail(self, claim: Claim, reason: str) -> None:
        """Put the token into `errors/`, with the reason: no further attempt can help."""
        attempts = claim.token.attempts + 1
        changed = self._visited(
            claim, claim.token, "failed", why=reason, reason=reason, attempts=attempts
        )
        self._return(claim, changed, self.bucket.places.free_error(claim.token.id))

    def delay(self, claim: Claim, seconds: float, reason: str, *, counted: bool = True) -> None:
        """Put the token aside for a while; `counted` says that an attempt was made and failed."""
        moment = self.bucket.clock.now().timestamp() + seconds
        changed = self._visited(
            claim,
            claim.token,
            "retry" if counted else "later",
            why=reason,
            attempts=claim.token.attempts + counted,
            not_before=stamp(datetime.fromtimestamp(moment, UTC)),
        )
        target = f"{self.bucket.places.delayed}/{changed.id}{SUFFIX}"
        self._return(claim, changed, target, due=moment)

    def discard(self, claim: Claim) -> None:
        """Remove the token: its work is done and nobody comes after it."""
        with self.bucket.translated():
            self.bucket.disk.remove(claim.path)
            if self.bucket.sync:
                self.bucket.disk.sync_directory(self._folder)
        del self.hands[claim.path]

    def release(self, claim: Claim) -> None:
        """Put the token back where it was taken, as it was."""
        with self.bucket.translated(), self.bucket.entry():
            put_back(self.bucket, claim.path, claim.token)
        del self.hands[claim.path]

    def _take(self, candidate: Candidate, start: str) -> Claim | None:
        """Read, then rename: what our programs wrote is whole and never changes while it waits."""
        bucket, folder, name = self.bucket, candidate.folder, candidate.name
        path, target = f"{folder}/{name}", f"{self._folder}/{name}"
        try:
            token, ours, problem = look(bucket, path, name.removesuffix(SUFFIX))
            unripe = not ours and bucket.wall() - candidate.since < ADOPTED_AFTER_S
            if unripe or target in self.hands:  # maybe half-written; or put anew meanwhile
                self._order.put_off(candidate)
                return None
            if folder.startswith(self._returned) and put_anew(bucket, path):
                return None
            bucket.disk.rename(path, target)
        except FileNotFoundError:
            if not os.path.isdir(self._folder):
                raise
            self._order.lost()
            return None
        self._order.won()
        if token is None:
            refuse(bucket, target, problem)
            return None
        claim = Claim(token, target, start)
        self.hands[target] = claim
        return claim

    def _undo(self, claim: Claim, candidate: Candidate) -> None:
        """Put it back where it was, or into the lane that its shelf belongs to: that may be gone."""
        if candidate.folder.startswith(self._returned):
            put_back(self.bucket, claim.path, claim.token)
        else:
            self.bucket.disk.rename_new(claim.path, f"{candidate.folder}/{candidate.name}")
            self._order.put_back(candidate)
        del self.hands[claim.path]

    def _visited(
        self,
        claim: Claim,
        token: Token,
        result: str,
        *,
        why: str = "",
        **changes: Any,
    ) -> Token:
        end = stamp(self.bucket.clock.now())
        visit = Visit(self.stage, self.worker, claim.start, end, result, why)
        return token.with_visit(visit, **changes)

    def _hand_on(self, claim: Claim, token: Token, into: Bucket) -> None:
        bucket, path = self.bucket, claim.path
        bucket.disk.rename(f"{path}.tmp", path)
        bucket.failpoints.cross("seat.rewritten")
        try:
            into.admit(path, token)
        except FileExistsError as error:
            problem = TokenExistsError(token.id, str(into.path))
            moved = self._visited(claim, token, "done", attempts=0, reason="", not_before="")
            self.fail(replace(claim, token=moved), str(problem))
            raise problem from error
        bucket.failpoints.cross("seat.moved")
        del self.hands[path]

    def _return(self, claim: Claim, token: Token, target: str, *, due: float | None = None) -> None:
        with self.bucket.translated(), self.bucket.entry():
            _rewrite(self.bucket, claim.path, token)
            if due is not None:
                self.bucket.disk.set_time(claim.path, due)
            self.bucket.failpoints.cross("seat.returned")
            self.bucket.disk.rename_new(claim.path, target)
            if self.bucket.sync:
                self.bucket.disk.sync_directory(os.path.dirname(target))
                self.bucket.disk.sync_directory(self._folder)
        del self.hands[claim.path]


def _write_aside(bucket: Bucket, path: str, data: bytes, *, sync: bool) -> None:
    aside = f"{path}.tmp"
    try:
        bucket.disk.write(aside, data, sync=sync)
    except FileExistsError:  # left by an attempt of ours that the disk cut off
        bucket.disk.remove(aside)
        bucket.disk.write(aside, data, sync=sync)


def _rewrite(bucket: Bucket, path: str, token: Token) -> None:
    _write_aside(bucket, path, token.encode(), sync=bucket.sync)
    bucket.disk.rename(f"{path}.tmp", path)
