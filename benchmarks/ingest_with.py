"""What `benchmarks/ingest.py` runs; everything heavy is imported here."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.handed_over import HandedOver
from penstock.ingest import RunSettings, run_ingest, validate
from penstock.ingest._reference_decoder import ReferenceDecoder


def command(*, config: str, decoder: str, folder: Sequence[str]) -> int:
    """Ingest what is there."""
    settings = RunSettings(
        once=True,
        whole_process=True,
        open_decoder=partial(HandedOver, Path(*folder))
        if decoder == "handed-over"
        else ReferenceDecoder,
    )
    return asyncio.run(run_ingest(validate([config]), settings)).exit_code
