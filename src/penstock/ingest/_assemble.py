"""Decoded files in the order of their plan in; its parts, outcomes and dead letters out."""

from pathlib import Path

import pyarrow as pa

from penstock.base import dataclass
from penstock.ingest._dead_letters import DeadLetterWriter, LocalDeadLetters
from penstock.ingest._decode_file import DecodedFile, fresh_path
from penstock.ingest._parquet import LocalPart, RollingWriter
from penstock.ingest._plan import Plan
from penstock.ingest._seal import DeadLetterFile, FileOutcome, Part

_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ProducedPart:
    """A finished output with its name, to be uploaded from the local disk."""

    part: Part
    """As the seal will have it."""

    path: Path
    """Where it lies; whoever uploads it removes it."""


@dataclass(frozen=True, slots=True)
class ProducedLetters:
    """The plan's dead-letter file with its name, to be uploaded from the local disk."""

    file: DeadLetterFile
    """As the seal will have it."""

    path: Path
    """Where it lies; whoever uploads it removes it."""


@dataclass(frozen=True, slots=True)
class Produced:
    """All that a plan came to, before anybody else knows of it."""

    parts: tuple[ProducedPart, ...]
    """The outputs that no earlier call gave."""

    dead_letters: ProducedLetters | None
    """None where there are none."""

    outcomes: tuple[FileOutcome, ...]
    """One for each file, in the plan's order."""

    plain_bytes: int
    """Bytes of the files after decompression."""


class PlanAssembler:
    """Writes the rows of one plan's files into shared parts, and names all outputs.

    Files must come in the plan's order; then repeated work gives the same parts, names included.
    Not for two threads at once. `abort` after any failure leaves nothing on the disk.
    """

    def __init__(self, plan: Plan, schema: pa.Schema, directory: Path) -> None:
        """Write nothing yet.

        Args:
            plan: Whose files will come.
            schema: The decoder's.
            directory: Where outputs may be written; local, and used for this plan alone.
        """
        self._plan = plan
        self._rows = RollingWriter(lambda: fresh_path(directory), schema, plan.writer)
        self._letters = DeadLetterWriter(fresh_path(directory).with_suffix(".ndjson.zst"))
        self._outcomes: list[FileOutcome] = []
        self._outputs = 0
        self._plain_bytes = 0

    def add(self, file: DecodedFile) -> tuple[ProducedPart, ...]:
        """Take the next file; the outputs that are finished with it.

        Raises:
            OSError: The local disk is at fault.
        """
        try:
            self._letters.append(file.letters, file.letter_count)
            for batch in file.batches:
                self._rows.write(batch)
        except BaseException:
            file.close()
            raise
        file.letters.close()
        self._outcomes.append(file.outcome)
        self._plain_bytes += file.plain_bytes
        return self._named([*file.parts, *self._rows.take_finished()])

    def finish(self) -> Produced:
        """Close the outputs, after the last file.

        Raises:
            OSError: The local disk is at fault.
        """
        return Produced(
            parts=self._named(self._rows.finish()),
            dead_letters=self._named_letters(self._letters.finish()),
            outcomes=tuple(self._outcomes),
            plain_bytes=self._plain_bytes,
        )

    def abort(self) -> None:
        """Remove what was not given out yet. Safe to call twice."""
        self._rows.abort()
        self._letters.abort()

    def _named(self, parts: list[LocalPart]) -> tuple[ProducedPart, ...]:
        return tuple(self._name(part) for part in parts)

    def _name(self, part: LocalPart) -> ProducedPart:
        self._outputs += 1
        short = part.sha256[:_HASH_DIGITS]
        name = f"part-{self._plan.pipeline}-{self._plan.seq}-{self._outputs}-{short}.parquet"
        known = Part(
            name=name, size=part.size, sha256=part.sha256, rows=part.rows, stats=part.stats
        )
        return ProducedPart(known, part.path)

    def _named_letters(self, letters: LocalDeadLetters | None) -> ProducedLetters | None:
        if letters is None:
            return None
        short = letters.sha256[:_HASH_DIGITS]
        known = DeadLetterFile(
            name=f"dead-{self._plan.pipeline}-{self._plan.seq}-{short}.ndjson.zst",
            size=letters.size,
            sha256=letters.sha256,
            letters=letters.letters,
        )
        return ProducedLetters(known, letters.path)
