"""Half of the floor below any ingestion: decompress, and drop the bytes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isal import igzip

from benchmarks.peers.arguments import arguments

_CHUNK = 2 << 20


def decompress(source: Path) -> None:
    """Read one file to its last byte and checksum."""
    buffer = bytearray(_CHUNK)
    with igzip.open(source) as stream:  # type: ignore[no-untyped-call]  # isal has no types here
        while stream.readinto(buffer):
            pass


if __name__ == "__main__":
    _, _, files = arguments()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(decompress, files))
