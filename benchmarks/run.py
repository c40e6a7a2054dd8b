"""`make bench`: every benchmark in one run; writes benchmarks/README.md.

Usage: python -m benchmarks.run [--rounds 5] [--scale 1.0] [--only memory ...] [--page PATH]
"""

import argparse
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import bench_decode, bench_engine, bench_kanban, bench_worker, sections
from benchmarks.data import FOLDER, SETS, data_set

PAGE = Path(__file__).resolve().parent / "README.md"
FLOW_MESSAGES = 200_000
IN_MEMORY = 0.1
"""Share of the data at most, where it is held in memory."""

_ABOUT = """\
# Benchmarks

Written by `make bench`, which runs everything below in one go on the same bytes; `.venv/bin/python -m benchmarks.run --help` tells how to run less of it.
Whole processes with their start and imports, two threads each.
The order of the programs alternates; each figure is the median of the rounds, each ratio the median of the ratios within a round.
CPU-seconds are those of user and system together; peak memory is the largest resident set, mapped files included.
The data are made by `benchmarks/data.py`, always the same bytes: *flat* is the real flights nine times over with shifted dates, *nested* is generated events with structs and lists.
"""

_INTRODUCTIONS = {
    "standing": """\
## Ingestion beside its peers

Above 1 in the last two columns means that Penstock needed less.
The peers write Parquet files (zstd, level 1); Penstock also checks every line strictly, commits to a Delta table, and can be killed at any moment.
By default Penstock gives a dictionary to columns that repeat themselves in a sample, as DuckDB and polars do in their ways; with `dictionary: strings` to every text, and to nothing else.
About a third of a CPU-second of each run of Penstock is its start.
pyarrow and arro3 hold fewer rows at a time, because they hand rows on from files that may yet turn out to be damaged.
""",
    "reference": f"""\
## The two decoders

Where there is no C compiler, lines are decoded by the reference decoder, which is plain Python.
It is measured on a slice of {sections.SLICE:.0%} of the data, and nothing is extrapolated from it: at this size the start of the program is most of what the compiled decoder needs.
""",
    "decoding": """\
## Decoding alone, CPU time on one core

Against arro3 through the Arrow C stream, reading from memory; all guards on.
Bad lines are spread at random, each broken at a random place.
""",
    "without-decoding": """\
## Ingestion without decoding

The pipeline reads the real files, decompresses them and cuts them into lines; then a decoder of `benchmarks/handed_over.py`, given to the pipeline by `RunSettings.open_decoder`, hands over rows that were decoded beforehand, mapped from Arrow files.
Parquet, upload, plan, seal and commit are the product's.
The floor is two programs: one that decompresses the same files, and one that has pyarrow write the same mapped rows in the same encodings.
""",
    "memory": """\
## Memory

`penstock run --once` with two workers, and on four times the input.
""",
    "start-up": "## Start-up\n",
    "flow": """\
## Flow

Microseconds per message of `benchmarks/bench_flow.py`, alternating in one process; what is judged is the median of the ratios of the pairs, for the metrics the worse end of its interval.
All that Penstock does is in its figures: acks, statistics, supervision; the bare queues and most peers have none of it.
streamz and Bytewax call plain functions, which costs less than a coroutine; Bytewax is compiled.
Bytewax hands on lists; Penstock does so too from batch stage to batch stage, as long as nothing sets one of their messages apart.
The ideal of a map is two bare processes that have their shares of the messages beforehand and compute them at the same time: one process alone is about a tenth faster than two at once, which no map over two can make good.
mpipe's queues are unbounded, so that nobody ever waits for room; `ProcessPoolExecutor` and loky are given all messages at once, and hold all results.
Copies are into memory of their own, as whoever receives a payload needs it.
""",
    "worker": """\
## A worker that is killed

Milliseconds from SIGKILL to the first answer of its successor, by `benchmarks/bench_worker.py`.
""",
    "engine": """\
## Durable steps

Steps that do nothing, by `benchmarks/bench_engine.py`: what is measured is the engine around them.
One chain of steps for the time per step, many runs side by side for the rate; all on SQLite, where an engine uses a database at all.
The floor is one durable transaction for each step, with the settings of our store; so many that its log is about as long as the chain's.
Every change of a Penstock run is durable (`synchronous = FULL`), with its history, timers, leases and events.
Luigi keeps no more than a file for each task, and does not wait for the disk; Airflow, Dagster and Prefect are measured once, on a shorter chain.
""",
    "kanban": """\
## Kanban

The bare loop of `benchmarks/bench_kanban.py` makes the same system calls with the bytes ready made; on the disk of the checkout, where boards stand, and in memory, where the calls cost least and Python shows most.
What must hold is asked on the disk; the rows in memory say what Python costs where nothing else does.
The peers hand on an item of the same size in their own ways; none of them moves it on to a next queue.
persist-queue appends its items to one file; here each is a file of its own, of which a sync writes the content, the inode and the name.
Content is made durable before its name moves on, and the name before the next step: none of the syncs of a group can be left out.
At the archives, the script syncs once, at its end; Penstock makes each step durable, with a checksum of each file that a token names.
Where decrypting is a filter of its own, that includes the decrypted archive: twice the bytes go to the disk.
""",
}


def _sections(scale: float, rounds: int) -> dict[str, Callable[[], list[str]]]:
    def over_sets(section: Callable[[str], list[str]]) -> list[str]:
        return [line for name in SETS for line in section(name)]

    return {
        "standing": lambda: over_sets(
            lambda name: sections.standing(data_set(name, scale), rounds)
        ),
        "reference": lambda: over_sets(lambda name: sections.reference(name, scale, rounds)),
        "decoding": lambda: bench_decode.section(min(scale, IN_MEMORY), rounds),
        "without-decoding": lambda: over_sets(
            lambda name: sections.without_decoding(data_set(name, scale), rounds)
        ),
        "memory": lambda: over_sets(lambda name: sections.memory(data_set(name, scale), rounds)),
        "start-up": lambda: sections.start_up(rounds),
        "flow": lambda: sections.flow(rounds, max(2000, int(FLOW_MESSAGES * scale))),
        "worker": lambda: bench_worker.section(4 * rounds),
        "engine": lambda: bench_engine.section(3 * rounds),
        "kanban": lambda: bench_kanban.section(rounds, min(scale, 1.0), FOLDER / "kanban"),
    }


def machine_line() -> str:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "pyarrow"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores of {model}, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}."
    )


def main() -> None:
    """Run, and write the page."""
    names = list(_INTRODUCTIONS)
    parser = argparse.ArgumentParser(description="Run the benchmarks and write the page.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data, above 0")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these sections")
    parser.add_argument("--page", type=Path, default=PAGE, help="where to write the results")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    work = _sections(arguments.scale, arguments.rounds)
    lines = [_ABOUT, machine_line()]
    lines += [f"{arguments.rounds} rounds; share of the data: {arguments.scale:g}.", ""]
    for name in arguments.only:
        before = os.getloadavg()[0]
        section = [_INTRODUCTIONS[name], *work[name]()]
        section += [f"Load of the machine before it: {before:.1f}.", ""]
        print("\n".join(section), flush=True)
        lines += section
        arguments.page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
