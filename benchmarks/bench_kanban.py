"""How close are buckets to a bare loop of the same system calls, and how soon is a board back after a crash?"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from penstock.kanban import Bucket, Seat, Token, recover
from penstock.kanban._disk import Disk

TOKENS = 2000
GROUP = 200
RECOVERED = 100_000
ROUNDS = 5


def penstock_cycle(folder: Path, *, group: int, sync: bool) -> None:
    """Publish, claim, and move on."""
    first, second = Bucket(folder / "1", sync=sync), Bucket(folder / "2", sync=sync)
    first.prepare()
    second.prepare()
    for start in range(0, TOKENS, group):
        first.put_many(
            [Token(f"{n:06}", fields={"title": "x" * 80}) for n in range(start, start + group)]
        )
    with Seat(first, "w", into=second) as seat:
        while claims := seat.claim(group):
            seat.move_many([(claim, claim.token) for claim in claims])


def bare_cycle(folder: Path, *, group: int, sync: bool) -> None:
    """The same system calls, and nothing else: what any such protocol costs at least."""
    disk = Disk()
    names = ("1", "1/tmp", "1/claimed", "1/claimed/w", "2")
    for name in names:
        disk.make_directory(f"{folder}/{name}")
    data = penstock_token()
    moved = data + b" " * 160
    for start in range(0, TOKENS, group):
        for n in range(start, start + group):
            disk.write(f"{folder}/1/tmp/{n:06}", data, sync=False)
        if sync:
            disk.sync_all(f"{folder}/1/tmp")
        for n in range(start, start + group):
            disk.rename_new(f"{folder}/1/tmp/{n:06}", f"{folder}/1/{n:06}.json")
        if sync:
            disk.sync_directory(f"{folder}/1")
    bare_moves(disk, folder, moved, group=group, sync=sync)


def bare_moves(disk: Disk, folder: Path, moved: bytes, *, group: int, sync: bool) -> None:
    """The second half: claim and hand on."""
    listed = sorted((e.stat().st_mtime, e.name) for e in os.scandir(f"{folder}/1") if e.is_file())
    for start in range(0, TOKENS, group):
        chosen = [name for _, name in listed[start : start + group]]
        for name in chosen:
            disk.read(f"{folder}/1/{name}")
            disk.rename(f"{folder}/1/{name}", f"{folder}/1/claimed/w/{name}")
        for name in chosen:
            disk.write(f"{folder}/1/claimed/w/{name}.tmp", moved, sync=False)
        if sync:
            disk.sync_all(f"{folder}/1/claimed/w")
        for name in chosen:
            disk.rename(f"{folder}/1/claimed/w/{name}.tmp", f"{folder}/1/claimed/w/{name}")
            disk.rename_new(f"{folder}/1/claimed/w/{name}", f"{folder}/2/{name}")
        if sync:
            disk.sync_directory(f"{folder}/2")
            disk.sync_directory(f"{folder}/1/claimed/w")


def penstock_token() -> bytes:
    """The bytes of one token."""
    return Token("000000", fields={"title": "x" * 80}).encode()


def timed(work: Callable[[Path], object]) -> float:
    """Seconds in a fresh directory."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("BENCH_DIR")))
    try:
        started = time.perf_counter()
        work(folder)
        return time.perf_counter() - started
    finally:
        shutil.rmtree(folder)


def ratio(*, group: int, sync: bool) -> tuple[float, float]:
    """Our rate over the bare one, from interleaved rounds; and our tokens per second."""
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(timed(lambda f: penstock_cycle(f, group=group, sync=sync)))
        bare.append(timed(lambda f: bare_cycle(f, group=group, sync=sync)))
    return median(bare) / median(ours), TOKENS / median(ours)


def recovery_seconds() -> float:
    """A worker died with 100,000 tokens in hand; until all of them wait again."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("BENCH_DIR")))
    try:
        bucket = Bucket(folder / "1", sync=False).prepare()
        held = f"{bucket.places.claimed}/dead"
        Path(held).mkdir()
        Path(held, "alive").touch()
        for n in range(RECOVERED):
            Path(held, f"{n}.json").write_bytes(Token(str(n)).encode())
        started = time.perf_counter()
        taken = recover(bucket)
        spent = time.perf_counter() - started
        if taken != RECOVERED:
            raise SystemExit(f"expected {RECOVERED} tokens, got {taken}")
        return spent
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print one line per case."""
    for name, group, sync in (
        ("no fsync", 1, False),
        ("no fsync, groups", GROUP, False),
        ("group fsync", GROUP, True),
    ):
        share, rate = ratio(group=group, sync=sync)
        print(
            f"publish + claim + settle, {name:<17} {rate:>8,.0f} tokens/s   {share:.2f} of the bare loop"
        )
    print(f"recover {RECOVERED:,} tokens {recovery_seconds():.2f} s")


if __name__ == "__main__":
    main()
