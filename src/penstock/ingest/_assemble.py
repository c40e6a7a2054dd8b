"""The decoded files of a plan in; its parts, outcomes and dead letters out."""

from pathlib import Path
from threading import Lock
from typing import BinaryIO

import pyarrow as pa

from penstock.base import Value
from penstock.ingest._dead_letters import DeadLetterWriter, LocalDeadLetters
from penstock.ingest._decode_file import DecodedFile, fresh_path
from penstock.ingest._parquet import LocalPart, RollingWriter
from penstock.ingest._plan import Plan
from penstock.ingest._seal import DeadLetterFile, FileOutcome, Part
from penstock.ingest._strands import deal

_HASH_DIGITS = 16


class ProducedPart(Value):
    """A finished output with its name, to be uploaded from the local disk."""

    part: Part
    """As the seal will have it."""

    path: Path
    """Where it lies; whoever uploads it removes it."""

    number: int
    """Its own among the plan's outputs."""


class ProducedLetters(Value):
    """The plan's dead-letter file with its name, to be uploaded from the local disk."""

    file: DeadLetterFile
    """As the seal will have it."""

    path: Path
    """Where it lies; whoever uploads it removes it."""


class Produced(Value):
    """All that a plan came to, before anybody else knows of it."""

    parts: tuple[ProducedPart, ...]
    """All outputs, by their numbers."""

    dead_letters: ProducedLetters | None
    """None where there are none."""

    outcomes: tuple[FileOutcome, ...]
    """One for each file, in the plan's order."""

    plain_bytes: int
    """Bytes of the files after decompression."""


class PlanAssembler:
    """Writes the rows of one plan's files into shared parts, and names all outputs.

    Each file belongs to a strand, which is one output after the other. The files of a strand come
    one at a time and in the plan's order; then repeated work gives the same parts, names included.
    Different strands may be written by different threads at once. `abort` after any failure leaves
    nothing on the disk but what was given out.
    """

    def __init__(self, plan: Plan, schema: pa.Schema, directory: Path) -> None:
        """Write nothing yet.

        Args:
            plan: Whose files will come.
            schema: The decoder's.
            directory: Where outputs may be written; local, and used for this plan alone.
        """
        self._plan = plan
        self._dealt = deal(plan.files, plan.writer.strands)
        self._strands = [
            _Strand(
                RollingWriter(lambda: fresh_path(directory), schema, plan.writer),
                self._dealt.count(strand),
            )
            for strand in range(plan.writer.strands)
        ]
        self._letters = _OrderedLetters(fresh_path(directory).with_suffix(".ndjson.zst"))
        self._outcomes: dict[int, FileOutcome] = {}
        self._plain_bytes = [0] * len(plan.files)

    def before(self, index: int) -> int | None:
        """The file that has to be added before this one, both as places in the plan; None if none."""
        strand = self._dealt[index]
        return next((i for i in reversed(range(index)) if self._dealt[i] == strand), None)

    def add(self, index: int, file: DecodedFile) -> tuple[ProducedPart, ...]:
        """Take a file; the outputs that are finished with it.

        Args:
            index: Its place in the plan.
            file: What it came to; it is closed or taken over in any case.

        Raises:
            OSError: The local disk is at fault.
        """
        number = self._dealt[index]
        strand = self._strands[number]
        try:
            parts = strand.write(file)
            self._letters.add(index, file.letters, file.letter_count)
        except BaseException:
            file.close()
            raise
        self._outcomes[index] = file.outcome
        self._plain_bytes[index] = file.plain_bytes
        return tuple(self._name(number, strand, part) for part in parts)

    def finish(self) -> Produced:
        """Close the dead letters, after all files.

        Raises:
            OSError: The local disk is at fault.
        """
        parts = [part for strand in self._strands for part in strand.named]
        return Produced(
            parts=tuple(sorted(parts, key=lambda part: part.number)),
            dead_letters=self._named_letters(self._letters.finish()),
            outcomes=tuple(self._outcomes[index] for index in range(len(self._plan.files))),
            plain_bytes=sum(self._plain_bytes),
        )

    def abort(self) -> None:
        """Remove what was not given out yet. Safe to call twice."""
        for strand in self._strands:
            strand.abort()
        self._letters.abort()

    def _name(self, number: int, strand: "_Strand", part: LocalPart) -> ProducedPart:
        # The strands take turns with the numbers: which one is faster must not show in a name.
        own = 1 + number + len(self._strands) * len(strand.named)
        short = part.sha256[:_HASH_DIGITS]
        name = f"part-{self._plan.pipeline}-{self._plan.seq}-{own}-{short}.parquet"
        known = Part(
            name=name, size=part.size, sha256=part.sha256, rows=part.rows, stats=part.stats
        )
        strand.named.append(ProducedPart(known, part.path, own))
        return strand.named[-1]

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


class _Strand:
    """One output after the other, written by one thread at a time."""

    def __init__(self, writer: RollingWriter, files: int) -> None:
        self._writer = writer
        self._left = files
        self._lock = Lock()
        self._given_up = False
        self.named: list[ProducedPart] = []

    def write(self, file: DecodedFile) -> list[LocalPart]:
        """Write the file's rows; what is finished then: with the last file, everything."""
        try:
            with self._lock:
                for batch in file.batches:
                    self._writer.write(batch)
                self._left -= 1
                finished = self._writer.take_finished() if self._left else self._writer.finish()
                return [*file.parts, *finished]
        finally:
            if self._given_up:
                self.abort()

    def abort(self) -> None:
        """Remove what is there; a thread that writes at this moment does so when it is done."""
        self._given_up = True
        if self._lock.acquire(blocking=False):
            try:
                self._writer.abort()
            finally:
                self._lock.release()


class _OrderedLetters:
    """Gathers the dead letters of files that end in any order, in the order of the plan."""

    def __init__(self, path: Path) -> None:
        self._writer = DeadLetterWriter(path)
        self._waiting: dict[int, tuple[BinaryIO, int]] = {}
        self._next = 0
        self._lock = Lock()

    def add(self, index: int, lines: BinaryIO, letters: int) -> None:
        """Take the `letters` of a file, and close `lines` when they are written."""
        with self._lock:
            self._waiting[index] = lines, letters
            while self._next in self._waiting:
                lines, letters = self._waiting.pop(self._next)
                self._next += 1
                with lines:
                    self._writer.append(lines, letters)

    def finish(self) -> LocalDeadLetters | None:
        return self._writer.finish()

    def abort(self) -> None:
        with self._lock:
            for lines, _ in self._waiting.values():
                lines.close()
            self._writer.abort()
