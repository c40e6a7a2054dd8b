"""`penstock run --once` with a decoder of one's choice.

Usage: python -m benchmarks.ingest CONFIG reference
       python -m benchmarks.ingest CONFIG handed-over FOLDER
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

from benchmarks.handed_over import HandedOver
from penstock.ingest import RunSettings, run_ingest, validate
from penstock.ingest._reference_decoder import ReferenceDecoder

_SWITCH_INTERVAL_S = 0.0005
"""As `penstock run` sets it."""


def main() -> int:
    """Ingest what is there."""
    config, decoder, *folder = sys.argv[1:]
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    settings = RunSettings(
        once=True,
        open_decoder=partial(HandedOver, Path(*folder))
        if decoder == "handed-over"
        else ReferenceDecoder,
    )
    return asyncio.run(run_ingest(validate([config]), settings)).exit_code


if __name__ == "__main__":
    raise SystemExit(main())
