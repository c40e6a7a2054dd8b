"""The life of one worker: claim, validate, process, settle; sleep only when there is nothing to do."""

import errno
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from penstock.base import RetryPolicy
from penstock.kanban._data import found_data
from penstock.kanban._errors import BucketError, PermanentError, TokenError, TokenExistsError
from penstock.kanban._filter import Collecting, Filter, Later, Outcome, Split
from penstock.kanban._seat import Claim, Seat
from penstock.kanban._tally import DONE, FAILED, RETRIED, Tally
from penstock.kanban._token import Token
from penstock.kanban._watch import Watch
from penstock.telemetry import Logger

_IDLE_S = 2.0
_FULL_S = 0.1
_DISK_S = 30.0
_FOR_GOOD = (PermanentError, TokenError)
_NO_FAULT_OF_THE_TOKEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class FilterLoop:
    """One filter object, over one seat."""

    def __init__(
        self,
        filter_: Filter,
        seat: Seat,
        *,
        retry: RetryPolicy,
        timeout: timedelta | None,
        log: Logger,
        tally: Tally | None = None,
    ) -> None:
        self._filter = filter_
        self._seat = seat
        self._retry = retry
        self._timeout = timeout
        self._log = log
        self._tally = tally or Tally()
        self._chance = random.Random(seat.worker)  # noqa: S311 - spreads load, guards nothing
        self._claim: Claim | None = None
        filter_.keep_with(self._note)

    def run(self, watch: Watch) -> None:
        """Work until the board wants to stop; a failed token costs no pause."""
        while not self._filter.context.stopping():
            if not self.turn():
                watch.wait(self._pause())

    def turn(self) -> bool:
        """Work on one token, or one group, if there is any; whether there was."""
        if isinstance(self._filter, Collecting):
            return self._collect(self._filter)
        claims = self._seat.claim()
        for claim in claims:
            self._work(claim)
        return bool(claims)

    def _pause(self) -> float:
        due = self._seat.next_due()
        pause = _IDLE_S if due is None else min(max(due - time.time(), 0.01), _IDLE_S)
        into = self._seat.into
        return min(pause, _FULL_S) if into is not None and into.limit else pause

    def _work(self, claim: Claim) -> None:
        started = time.monotonic()
        self._claim = claim
        if claim.token.finished(self._seat.stage):
            self._settle(claim, claim.token)
            return
        try:
            with _alarm(self._timeout):
                outcome = self._filter.process(self._checked(claim.token))
        except BucketError:
            raise  # of a note: the worker ends, and the token is taken back
        except _FOR_GOOD as error:
            self._fail(self._claim, error)
        except Exception as error:  # noqa: BLE001 - the border to the user's code; it settles the token
            self._attempt_failed(self._claim, error)
        else:
            self._settle(self._claim, outcome)
            self._log.info(
                "token worked on",
                token=claim.token.id,
                outcome=type(outcome).__name__.lower(),
                seconds=round(time.monotonic() - started, 3),
            )

    def _checked(self, token: Token) -> Token:
        """The token as the filter expects it, with its data noted where a person left that to us."""
        self._check(token)
        if not self._filter.takes_data or token.data:
            return token
        found = found_data(token, self._filter.context, checksum=self._filter.counts_data)
        if found.data:
            self._note(found)
        return found

    def _check(self, token: Token) -> None:
        if misfits := self._filter.misfits(token):
            raise PermanentError("; ".join(misfits))
        self._filter.validate(token)

    def _note(self, token: Token) -> None:
        if self._claim is not None:
            self._claim = self._seat.note(self._claim, token)

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        try:
            match outcome:
                case Later(seconds, reason):
                    self._seat.delay(claim, seconds, reason, counted=False)
                    return
                case Split(children):
                    self._seat.split([claim], children)
                    self._tally.count(DONE, sum(child.size for child in children))
                case _:
                    self._seat.move(claim, outcome)
                    self._tally.count(DONE, outcome.size)
        except TokenError as error:  # what the filter has made of it
            self._fail(claim, error)
        except TokenExistsError as error:
            self._tally.count(FAILED)
            self._log.error("token failed", token=claim.token.id, reason=str(error))

    def _fail(self, claim: Claim, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        self._seat.fail(claim, reason)
        self._tally.count(FAILED)
        self._log.error("token failed", token=claim.token.id, reason=reason)

    def _attempt_failed(self, claim: Claim, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in _NO_FAULT_OF_THE_TOKEN:
            reason = f"{error.strerror}: {error.filename or 'the disk'}"
            self._seat.delay(claim, _DISK_S, reason, counted=False)
            self._log.error("token put off", token=claim.token.id, reason=reason)
            return
        attempt = claim.token.attempts + 1
        if not self._retry.allows(attempt, error):
            self._fail(claim, error)
            return
        seconds = self._retry.delay(attempt, self._chance)
        reason = f"{type(error).__name__}: {error}"
        self._seat.delay(claim, seconds, reason)
        self._tally.count(RETRIED)
        self._log.warning(
            "token failed for now", token=claim.token.id, attempt=attempt, reason=reason
        )

    def _collect(self, collector: Collecting) -> bool:
        groups: dict[str, list[Token]] = {}
        for token in self._seat.bucket.tokens():
            try:
                self._check(token)
                key, whole = collector.group(token)
            except PermanentError as error:
                for claim in self._seat.claim_ids([token.id]):
                    self._fail(claim, error)
                return True
            members = groups.setdefault(key, [])
            members.append(token)
            if len(members) >= whole:
                return self._collect_group(collector, [member.id for member in members])
        return False

    def _collect_group(self, collector: Collecting, ids: list[str]) -> bool:
        claims = self._seat.claim_ids(ids)
        if len(claims) < len(ids):
            for claim in claims:
                self._seat.release(claim)
            return False
        try:
            with _alarm(self._timeout):
                made = collector.collect([claim.token for claim in claims])
        except Exception as error:  # noqa: BLE001 - as in `_work`
            self._group_failed(claims, error)
            return True
        try:
            self._seat.split(claims, [made])
        except TokenError as error:
            self._group_failed(claims, error)
        else:
            self._tally.count(DONE, made.size)
        return True

    def _group_failed(self, claims: Sequence[Claim], error: Exception) -> None:
        failed = self._fail if isinstance(error, _FOR_GOOD) else self._attempt_failed
        for claim in claims:
            failed(claim, error)


@contextmanager
def _alarm(timeout: timedelta | None) -> Iterator[None]:
    """Have the kernel end this process when the time is up, whatever it hangs in."""
    if timeout is None:
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, timeout.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
