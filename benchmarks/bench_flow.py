"""What does a message cost in a flow, against the bare tools and against peers?

Alternating pairs in one process; what is judged is the median of the ratios, or the worse end of its
95 % interval where it says so. A peer that is not installed is named, and left out.

Run it: `python -m benchmarks.bench_flow [--json FILE] [--messages N] [--pairs N] [--only WORD ...]`.
"""

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks import flow_async, flow_payloads, flow_processes, flow_threads
from benchmarks.flow_figures import Comparison, Figure, Timed, compare

FAR_PAIRS = 5
"""As many are enough where the limit is far from what is measured."""

NOT_COMPARED = {
    "Apache Beam": "needs an older pyarrow than ingestion",
}
"""Peers that cannot be installed beside Penstock, and why."""

PEERS = (
    ("three async stages", "anyio", "three_async", flow_async.three_async, 0.1),
    ("three async stages", "aiostream", "three_async", flow_async.three_async, 0.1),
    ("three async stages", "streamz", "three_async", flow_async.three_async, 0.1),
    ("three async stages", "bytewax", "three_async", flow_async.three_async, 0.1),
    ("three async stages, batch 64", "bytewax", "three_batched", flow_async.three_batched, 0.2),
    ("three thread stages", "pypeln", "three_threads", flow_threads.three_threads, 0.05),
    ("process stage, chunk 1", "pypeln", "process_single", flow_processes.process_single, 0.05),
    ("process stage, chunk 1", "mpipe", "process_single", flow_processes.process_single, 0.05),
    ("process stage, chunk 256", "loky", "process_chunks", flow_processes.process_chunks, 0.5),
    ("process stage, chunk 256", "pebble", "process_chunks", flow_processes.process_chunks, 0.5),
    ("map that computes, 2 processes", "joblib", "cpu_map", flow_processes.cpu_map, 0.002),
)


BARE = (
    Comparison(
        "three async stages / asyncio.Queue",
        flow_async.three_async,
        flow_async.bare_queues,
        2.0,
        1.5,
    ),
    Comparison(
        "three async stages, batch 64 / asyncio.Queue",
        flow_async.three_batched,
        flow_async.bare_queues,
        0.4,
        0.3,
    ),
    Comparison(
        "three thread stages / queue.Queue",
        flow_threads.three_threads,
        flow_threads.bare_queues,
        1.5,
        share=0.25,
    ),
    Comparison(
        "three thread stages, batch 64 / queue.Queue",
        flow_threads.three_batched,
        flow_threads.bare_queues,
        0.3,
        share=0.25,
    ),
    Comparison(
        "process stage, chunk 1 / multiprocessing.Queue",
        flow_processes.process_single,
        flow_processes.bare_queues,
        1.3,
        share=0.1,
    ),
    Comparison(
        "process stage, chunk 256 / executor.map",
        flow_processes.process_chunks,
        flow_processes.executor_map,
        1.0,
        0.8,
    ),
    Comparison(
        "8 MiB there and back / two copies",
        flow_payloads.through_a_stage,
        flow_payloads.copied,
        3.0,
        share=2e-4,
    ),
    Comparison(
        "pickle over a pipe / 8 MiB there and back",
        flow_payloads.through_a_stage,
        flow_payloads.pickled,
        3.0,
        least=True,
        share=2e-4,
        near=False,
    ),
    Comparison(
        "ideal / map that computes, 2 processes",
        flow_processes.cpu_map,
        flow_processes.ideal_map,
        0.9,
        least=True,
        share=0.002,
    ),
    Comparison(
        "metrics exported and scraped / metrics off",
        flow_async.three_exported,
        flow_async.three_async,
        1.1,
        sure=True,
    ),
)
"""Against what the standard library has."""


def comparisons() -> tuple[list[Comparison], dict[str, str]]:
    """All that can be made here, and the peers that are missing, with the reason."""
    found, missing = [*BARE], dict(NOT_COMPARED)
    for case, peer, function, ours, share in PEERS:
        try:
            theirs: Timed = getattr(import_module(f"benchmarks.peers.flow_{peer}"), function)
        except ImportError as error:
            missing[peer] = str(error)
            continue
        found.append(Comparison(f"{case} / {peer}", ours, theirs, 1.0, share=share, near=False))
    return found, missing


def measured(messages: int, pairs: int, words: list[str]) -> Iterator[Figure]:
    """The figures, one after the other."""
    for comparison in comparisons()[0]:
        if not words or any(word in comparison.case for word in words):
            often = pairs if comparison.near else min(pairs, FAR_PAIRS)
            yield compare(comparison, messages, often)


def main() -> None:
    """Compare all cases, print each as it ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=[], help="cases with one of these words")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}")
    figures = []
    for figure in measured(options.messages, options.pairs, options.only):
        figures.append(figure)
        print(figure, flush=True)
    missing = comparisons()[1]
    for peer, reason in missing.items():
        print(f"not compared: {peer}, {reason}")
    if options.json is not None:
        found = {"figures": [asdict(figure) for figure in figures], "missing": missing}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
