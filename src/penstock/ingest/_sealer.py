"""Decides what a plan came to: the first seal wins, and everybody else adopts it."""

from collections.abc import Iterator

from penstock.base import Failpoints
from penstock.ingest._layout import seal_key
from penstock.ingest._producer import Produced
from penstock.ingest._protocol_errors import AccountingError, DamagedStateError
from penstock.ingest._seal import FileState, Seal
from penstock.ingest._standing import OpenPlan
from penstock.storage import ObjectStore


class Sealer:
    """Writes seals. What is not in the first one never counts, whoever produced it."""

    def __init__(
        self, store: ObjectStore, *, dead_letters: ObjectStore | None, failpoints: Failpoints
    ) -> None:
        """Seal nothing yet.

        Args:
            store: Over the table's root.
            dead_letters: Over the root of the dead letters; None where none are kept.
            failpoints: Crossed as `seal.before` and `seal.written`.
        """
        self._store = store
        self._dead_letters = dead_letters
        self._failpoints = failpoints

    def seal(self, entry: OpenPlan, produced: Produced) -> Seal:
        """Store the outcome of a plan unless there is one, and return the one that counts.

        Raises:
            AccountingError: The figures do not add up; nothing was stored.
            DamagedStateError: The seal that is there belongs to another plan.
        """
        problems = (*_problems(entry, produced), *self._lost_letters(produced))
        if problems:
            raise AccountingError(entry.label, problems)
        seal = Seal(
            pipeline=entry.plan.pipeline,
            seq=entry.plan.seq,
            plan_sha256=entry.plan_sha256,
            parts=produced.parts,
            dead_letters=produced.dead_letters,
            outcomes=produced.outcomes,
        )
        key = seal_key(entry.plan.pipeline, entry.plan.seq)
        self._failpoints.cross("seal.before")
        if self._store.put_if_absent(key, seal.encode()):
            self._failpoints.cross("seal.written")
            return seal
        return self._adopt(entry, key)

    def _adopt(self, entry: OpenPlan, key: str) -> Seal:
        place = f"{self._store.url}/{key}"
        seal = Seal.decode(self._store.get(key), place=place)
        if seal.plan_sha256 != entry.plan_sha256:
            found = f"plan {entry.label} has another content than the one it was sealed for"
            raise DamagedStateError(place, found, "restore the folder _penstock as it was")
        return seal

    def _lost_letters(self, produced: Produced) -> Iterator[str]:
        letters = produced.dead_letters
        if letters is not None and self._dead_letters is not None:
            found = self._dead_letters.head(letters.name)
            if found is None or found.size != letters.size:
                yield f"dead letters {letters.name} are not stored"


def _problems(entry: OpenPlan, produced: Produced) -> Iterator[str]:
    outcomes = produced.outcomes
    if len(outcomes) != len(entry.plan.files):
        yield f"{len(entry.plan.files)} files planned, {len(outcomes)} outcomes"
    rows, stored = sum(o.rows for o in outcomes), sum(part.rows for part in produced.parts)
    if rows != stored:
        yield f"{rows} rows read, {stored} rows written"
    dead = sum(o.dead_lines + (o.state is FileState.DEAD) for o in outcomes)
    if produced.dead_letters is not None and produced.dead_letters.letters != dead:
        yield f"{dead} lines and files dead, {produced.dead_letters.letters} dead letters"
    for file, outcome in zip(entry.plan.files, outcomes, strict=False):
        if outcome.rows and outcome.state is not FileState.ROWS:
            yield f"{file.name} is {outcome.state} and has {outcome.rows} rows"
