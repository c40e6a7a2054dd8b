"""What `benchmarks/ingest.py` runs; everything heavy is imported here."""

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.handed_over import HandedOver
from penstock.ingest import RunSettings, run_ingest, validate
from penstock.ingest._reference_decoder import ReferenceDecoder

_SWITCH_INTERVAL_S = 0.0005
"""As `penstock run` sets it."""


def command(*, config: str, decoder: str, folder: Sequence[str]) -> int:
    """Ingest what is there."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    settings = RunSettings(
        once=True,
        open_decoder=partial(HandedOver, Path(*folder))
        if decoder == "handed-over"
        else ReferenceDecoder,
    )
    return asyncio.run(run_ingest(validate([config]), settings)).exit_code
