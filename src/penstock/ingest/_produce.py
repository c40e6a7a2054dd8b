"""A whole plan on a few threads: the plain way to run the steps that a flow runs as stages."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from msgspec import field

from penstock.base import Value
from penstock.ingest._assemble import PlanAssembler, Produced, ProducedPart
from penstock.ingest._decode_file import DecodedFile, DecodeSettings, FileOpener, decode_file
from penstock.ingest._decoder import Decoder
from penstock.ingest._plan import Plan


class PlanProducer(Value):
    """Turns a plan into local outputs, outcomes and dead letters.

    An output holds only files that were read to their last byte and checksum. Repeated work gives
    the same outputs, whatever the threads' timing. At most `workers + 1` files are held in memory,
    each up to the plan's spill limit.
    """

    opener: FileOpener
    """Where the files' bytes come from."""

    decoder: Decoder
    """Shared by all threads."""

    settings: DecodeSettings = field(default_factory=DecodeSettings)
    """How files are read."""

    workers: int = 2
    """Threads that read and decode."""

    def produce(self, plan: Plan, directory: Path) -> Produced:
        """Do all of the plan's work up to the outputs on the local disk.

        Args:
            plan: What to read.
            directory: Where outputs may be written; local, and used for this plan alone.

        Raises:
            OSError: The local disk is at fault. Nothing is left in `directory`.
        """
        assembler = PlanAssembler(plan, self.decoder.schema, directory)
        parts: list[ProducedPart] = []
        decoded = self._decoded(plan, directory)
        try:
            for index, file in enumerate(decoded):
                parts += assembler.add(index, file)
            return assembler.finish()
        except BaseException:
            decoded.close()
            assembler.abort()
            for part in parts:
                part.path.unlink(missing_ok=True)
            raise

    def _decoded(self, plan: Plan, directory: Path) -> Generator[DecodedFile]:
        waiting: deque[Future[DecodedFile]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="penstock-decode") as pool:
            try:
                for version in plan.files:
                    if len(waiting) > self.workers:
                        yield waiting.popleft().result()
                    waiting.append(
                        pool.submit(
                            decode_file,
                            version,
                            plan=plan,
                            opener=self.opener,
                            decoder=self.decoder,
                            settings=self.settings,
                            directory=directory,
                        )
                    )
                while waiting:
                    yield waiting.popleft().result()
            finally:
                _discard(waiting)


def _discard(waiting: deque[Future[DecodedFile]]) -> None:
    """Wait for what was started and remove what it wrote."""
    for future in waiting:
        if not future.cancel() and future.exception() is None:
            future.result().close()
