"""`penstock run --once` with a decoder of one's choice, started as `penstock run` starts.

Usage: python -m benchmarks.ingest CONFIG reference
       python -m benchmarks.ingest CONFIG handed-over FOLDER
"""

import sys

from penstock.cli._guard import perform

if __name__ == "__main__":
    config, decoder, *folder = sys.argv[1:]
    options = {"config": config, "decoder": decoder, "folder": folder}
    raise SystemExit(perform("benchmarks.ingest_with", "command", options))
