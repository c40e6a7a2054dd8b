"""How close are buckets to a bare loop of the same system calls, and what does a board cost?

The bare loop makes the same system calls on the same paths, with the bytes ready made: neither
tokens nor JSON, neither histories nor an order. `strace -c` shows the same counts on both sides,
but for a stat(2) of each lane in every two milliseconds of ours.

Run it: `python -m benchmarks.bench_kanban [--rounds 5]`; `BENCH_DIR` says on which disk.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from benchmarks import kanban_boards as boards
from benchmarks.bench_engine import MissingError, python_of
from benchmarks.verdicts import Verdict, verdicts
from penstock.kanban import Bucket, Seat, Token
from penstock.kanban._disk import Disk

TOKENS = 1000
GROUP = 200
MEMORY = "/dev/shm"
_LEAST = 0.8
_rename, _stat = os.rename, os.stat
_UNSYNCED = {"huey on SQLite": 500, "huey on files": 500, "Luigi": 100, "nq": 50}
"""How many items each peer is given."""
_SYNCED = {"persist-queue": 200}


def penstock_cycle(folder: Path, *, group: int, sync: bool) -> None:
    """Publish, claim, and move on."""
    first, second = Bucket(folder / "1", sync=sync), Bucket(folder / "2", sync=sync)
    for start in range(0, TOKENS, group):
        first.put_many(
            [Token(f"{n:06}", fields={"title": "x" * 80}) for n in range(start, start + group)]
        )
    with Seat(first, "w", into=second) as seat:
        while claims := seat.claim(group):
            seat.move_many([(claim, claim.token) for claim in claims])


def bare_cycle(folder: Path, *, group: int, sync: bool) -> None:
    """The same system calls, and nothing else: what any such protocol costs at least."""
    disk, root = Disk(), str(folder)
    data = Token("000000", fields={"title": "x" * 80}).encode()
    for start in range(0, TOKENS, group):
        for n in range(start, start + group):
            _written(f"{root}/1/tmp/{n:06}", data, sync=sync and group == 1)
        if sync and group > 1:
            disk.sync_all(f"{root}/1/tmp")
        os.access(f"{root}/1/returned", os.F_OK)  # whether an id may wait there already
        for n in range(start, start + group):
            disk.rename_new(f"{root}/1/tmp/{n:06}", f"{root}/1/{n:06}.json")
        if sync:
            disk.sync_directory(f"{root}/1")
    disk.make_directory(f"{root}/1/claimed/w")
    _bare_moves(disk, root, data + b" " * 160, group=group, sync=sync)


def _bare_moves(disk: Disk, root: str, moved: bytes, *, group: int, sync: bool) -> None:
    listed = sorted((e.stat().st_mtime, e.name) for e in os.scandir(f"{root}/1") if e.is_file())
    hand = f"{root}/1/claimed/w"
    for start in range(0, TOKENS, group):
        _stat(f"{root}/1/high")  # whether anything urgent has come
        chosen = [name for _, name in listed[start : start + group]]
        for name in chosen:
            _read(f"{root}/1/{name}")
            _rename(f"{root}/1/{name}", f"{hand}/{name}")
        for name in chosen:
            _written(f"{hand}/{name}.tmp", moved, sync=sync and group == 1)
        if sync and group > 1:
            disk.sync_all(hand)
        os.access(f"{root}/2/returned", os.F_OK)
        for name in chosen:
            _rename(f"{hand}/{name}.tmp", f"{hand}/{name}")
            disk.rename_new(f"{hand}/{name}", f"{root}/2/{name}")
        if sync:
            disk.sync_directory(f"{root}/2")
            disk.sync_directory(hand)


def _written(path: str, data: bytes, *, sync: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    os.write(descriptor, data)
    if sync:
        os.fsync(descriptor)
    os.close(descriptor)


def _read(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.read(descriptor, 16_384)
    os.close(descriptor)


def timed(work: Callable[[Path], object], disk: Path) -> float:
    """Seconds on two buckets that are there already, in a fresh directory."""
    folder = Path(tempfile.mkdtemp(dir=disk))
    try:
        for name in ("1", "2"):
            Bucket(folder / name, sync=False).prepare()
        started = time.perf_counter()
        work(folder)
        return time.perf_counter() - started
    finally:
        shutil.rmtree(folder)


def ratio(disk: Path, rounds: int, *, group: int, sync: bool) -> tuple[float, float]:
    """Our rate over the bare one, the median of alternating pairs; and our tokens per second."""
    pairs = []
    for number in range(rounds):
        works = [
            lambda f: penstock_cycle(f, group=group, sync=sync),
            lambda f: bare_cycle(f, group=group, sync=sync),
        ]
        first = number % 2
        found = {first: timed(works[first], disk), 1 - first: timed(works[1 - first], disk)}
        pairs.append((found[0], found[1]))
    return median(bare / ours for ours, bare in pairs), TOKENS / median(ours for ours, _ in pairs)


def cycles(disk: Path, rounds: int) -> list[str]:
    """A table of rates, ours and the peers', and what must hold."""
    cases: tuple[tuple[str, Path, int, bool, Mapping[str, int]], ...] = (
        ("one by one, no fsync", disk, 1, False, _UNSYNCED),
        (f"groups of {GROUP}, no fsync", disk, GROUP, False, {}),
        ("one by one, no fsync, in memory", Path(MEMORY), 1, False, {}),
        (f"groups of {GROUP}, no fsync, in memory", Path(MEMORY), GROUP, False, {}),
        (f"groups of {GROUP}, one sync per group and step", disk, GROUP, True, _SYNCED),
    )
    rows = ["| publish + claim + settle | items/s | of the bare loop |", "| --- | ---: | ---: |"]
    found, lacking = [], []
    for name, place, group, sync, peers in cases:
        share, rate = ratio(place, rounds, group=group, sync=sync)
        rows.append(f"| Penstock, {name} | {rate:,.0f} | {share:.2f} |")
        if place == disk:
            found.append(Verdict(f"by the bare loop, {name}", share, _LEAST, least=True))
        for peer, items in peers.items():
            try:
                rows.append(f"| {peer} | {_peer(peer, items, disk):,.0f} | |")
            except MissingError as error:
                lacking.append(f"{peer} is missing: {error}.")
    return [*rows, "", *lacking, "", *verdicts(found)]


def _peer(name: str, items: int, disk: Path) -> float:
    python = python_of("kanban", boards.PEERS)
    with tempfile.TemporaryDirectory(dir=disk) as folder:
        done = subprocess.run(
            [python, Path(__file__).with_name("kanban_peers.py"), name, folder, str(items)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": ""},
        )
    if done.returncode:
        raise MissingError((done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200])
    return float(done.stdout.split()[-1])


def section(rounds: int, scale: float, disk: Path) -> list[str]:
    """Lines of Markdown."""
    disk.mkdir(parents=True, exist_ok=True)
    return [
        *cycles(disk, rounds),
        *boards.recovery(disk, int(100_000 * scale)),
        *boards.large(Path(MEMORY), int(1_000_000 * scale)),
        *boards.idle(disk),
        *boards.archives(disk, int(200e6 * scale), min(rounds, 3)),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Tokens beside a bare loop, and whole boards.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the tokens and bytes")
    arguments = parser.parse_args()
    disk = Path(os.environ.get("BENCH_DIR", tempfile.gettempdir())).absolute()
    print("\n".join(section(arguments.rounds, arguments.scale, disk)))


if __name__ == "__main__":
    main()
