"""The files of one plan in threads, each from its first byte until its rows are written."""

from collections.abc import Mapping
from pathlib import Path

from penstock.ingest._assemble import PlanAssembler, Produced, ProducedPart
from penstock.ingest._decode_file import DecodedFile, DecodeSettings, FileOpener, decode_file
from penstock.ingest._decoder import Decoder
from penstock.ingest._plan import Plan

Parts = tuple[ProducedPart, ...]
_PLAIN_LINES = DecodeSettings(compression="none")


class PlanFiles:
    """Decodes and writes the files of one plan. Everything here blocks; for many threads at once.

    No more files are in memory than may be worked on at once. Within a strand rows are written in
    the plan's order, so that repeated work gives the same outputs.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        *,
        decoder: Decoder,
        settings: Mapping[str, DecodeSettings],
        at_once: int,
    ) -> None:
        """Do nothing yet.

        Args:
            plan: Whose files these are.
            directory: Where outputs may be written; local, and used for this plan alone.
            decoder: Shared by all files.
            settings: How files are read, by source; what is in none of these is plain lines.
            at_once: Files that may be in memory.
        """
        self._plan = plan
        self._directory = directory
        self._decoder = decoder
        self._settings = settings
        self._assembler = PlanAssembler(plan, decoder.schema, directory)
        self._at_once = at_once
        self._decoded: dict[int, DecodedFile] = {}
        self._written: set[int] = set()
        self._over = False

    def ingest(self, index: int, opener: FileOpener) -> Parts | None:
        """Decode a file, and write it: the outputs that are finished with it.

        None where there is no room for it yet, or the file before it in its strand is not written:
        call again when another file has been written. It is decoded once in any case.

        Args:
            index: Its place in the plan; for one thread at a time.
            opener: Where its bytes come from.

        Raises:
            StoreUnavailableError: The store is at fault; call again later.
            OSError: The local disk is at fault.
        """
        # Not any files may fill the memory: the one that all others wait for must find room.
        if index >= self._at_once + len(self._written):
            return None
        if index not in self._decoded:
            self._decode(index, opener)
        before = self._assembler.before(index)
        if self._over or not (before is None or before in self._written):
            return None
        return self._write(index)

    def finish(self) -> Produced:
        """What all files came to, after the last of them."""
        return self._assembler.finish()

    def close(self) -> None:
        """Remove what was not given out. What is worked on at this moment is removed by its thread."""
        self._over = True
        for decoded in [*self._decoded.values()]:
            decoded.close()
        self._assembler.abort()

    def _decode(self, index: int, opener: FileOpener) -> None:
        file = self._plan.files[index]
        decoded = decode_file(
            file,
            plan=self._plan,
            opener=opener,
            decoder=self._decoder,
            settings=self._settings.get(file.source, _PLAIN_LINES),
            directory=self._directory,
        )
        self._decoded[index] = decoded
        if self._over:
            decoded.close()

    def _write(self, index: int) -> Parts:
        parts = self._assembler.add(index, self._decoded[index])
        del self._decoded[index]
        self._written.add(index)
        return parts
