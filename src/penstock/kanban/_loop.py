"""The life of one worker: claim, validate, process, settle; sleep only when there is nothing to do."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from penstock.base import RetryPolicy
from penstock.kanban._errors import PermanentError, TokenExistsError
from penstock.kanban._filter import Collecting, Filter, Later, Outcome, Split
from penstock.kanban._seat import Claim, Seat
from penstock.kanban._token import Token
from penstock.kanban._watch import Watch
from penstock.telemetry import Logger

_IDLE_S = 2.0
_FULL_S = 0.1


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
    ) -> None:
        self._filter = filter_
        self._seat = seat
        self._retry = retry
        self._timeout = timeout
        self._log = log
        self._chance = random.Random(seat.worker)  # noqa: S311 - spreads load, guards nothing

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
        try:
            with _alarm(self._timeout):
                self._check(claim.token)
                outcome = self._filter.process(claim.token)
        except PermanentError as error:
            self._fail(claim, error)
        except Exception as error:  # noqa: BLE001 - the border to the user's code; it settles the token
            self._attempt_failed(claim, error)
        else:
            self._settle(claim, outcome)
            self._log.info(
                "token worked on",
                token=claim.token.id,
                outcome=type(outcome).__name__.lower(),
                seconds=round(time.monotonic() - started, 3),
            )

    def _check(self, token: Token) -> None:
        missing = [key for key in self._filter.needs if key not in token.fields]
        if missing:
            raise PermanentError(f"the token lacks {', '.join(missing)}")
        self._filter.validate(token)

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        try:
            match outcome:
                case Later(seconds, reason):
                    self._seat.delay(claim, seconds, reason, counted=False)
                case Split(children):
                    self._seat.split([claim], children)
                case _:
                    self._seat.move(claim, outcome)
        except TokenExistsError as error:
            self._log.error("token failed", token=claim.token.id, reason=str(error))

    def _fail(self, claim: Claim, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        self._seat.fail(claim, reason)
        self._log.error("token failed", token=claim.token.id, reason=reason)

    def _attempt_failed(self, claim: Claim, error: Exception) -> None:
        attempt = claim.token.attempts + 1
        if not self._retry.allows(attempt, error):
            self._fail(claim, error)
            return
        seconds = self._retry.delay(attempt, self._chance)
        reason = f"{type(error).__name__}: {error}"
        self._seat.delay(claim, seconds, reason)
        self._log.warning(
            "token failed for now", token=claim.token.id, attempt=attempt, reason=reason
        )

    def _collect(self, collector: Collecting) -> bool:
        groups: dict[str, list[Token]] = {}
        for token in self._seat.bucket.tokens():
            try:
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
            for claim in claims:
                self._attempt_failed(claim, error)
            return True
        self._seat.split(claims, [made])
        return True


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
