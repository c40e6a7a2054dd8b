"""CPU time of decoding alone, on one core: the compiled decoder against arro3 at its best settings.

Both get the same chunks of whole lines. arro3 reads them from memfds that are filled beforehand,
through the Arrow C stream, in batches of 1024 and of 2048 rows; the better one counts.
Also what bad lines cost, and what the plain C path costs against the vector path.

Usage: python -m benchmarks.bench_decode [--scale 0.1] [--rounds 5]
"""

import argparse
import gc
import gzip
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from statistics import median

import pyarrow as pa
from arro3.core import Schema
from arro3.io import read_json

from benchmarks.data import SETS, data_set
from benchmarks.schema import SCHEMAS
from benchmarks.verdicts import Verdict, verdicts
from penstock.ingest import Chunk
from penstock.ingest._compiled_decoder import CompiledDecoder
from tools.native import build

CHUNK = 2 << 20
BAD_OF = 400_000
BAD_LINES = {10: (0.98, 0.99), 100: (0.95, 0.98), 1000: (0.88, 0.95)}
"""How many, and what speed must and should remain."""
AGAINST_ARRO3 = {"flat": (0.25, 0.17), "nested": (0.30, 0.20)}
ARRO3 = "arro3"


@dataclass(frozen=True)
class Lines:
    """Chunks of whole lines."""

    schema: pa.Schema
    chunks: list[Chunk]
    rows: int

    @property
    def size(self) -> int:
        """Bytes in all chunks."""
        return sum(len(chunk.data) for chunk in self.chunks)


def load(name: str, scale: float) -> Lines:
    """The named data set, decompressed and divided at line ends."""
    data = data_set(name, scale)
    chunks = []
    for file in data.files:
        chunks += divide(gzip.decompress(file.read_bytes()))
    return Lines(SCHEMAS[name], chunks, data.rows)


def divide(text: bytes) -> list[Chunk]:
    """Chunks of about `CHUNK` bytes of one file; line numbers do not matter here."""
    chunks = []
    start = 0
    while start < len(text):
        end = text.rfind(b"\n", start, start + CHUNK) + 1 or len(text)
        chunks.append(Chunk(text[start:end], 1, start))
        start = end
    return chunks


def ours(lines: Lines, decoder: CompiledDecoder, rejected: int = 0) -> Callable[[], None]:
    """Decode all chunks, one after the other."""

    def run() -> None:
        rows = bad = 0
        for chunk in lines.chunks:
            decoded = decoder.decode(chunk)
            rows += decoded.batch.num_rows
            bad += len(decoded.rejected)
        assert (rows, bad) == (lines.rows - rejected, rejected)

    return run


def arro3(lines: Lines, batch_size: int, files: list[int]) -> Callable[[], None]:
    """Read all files through the C stream, so that the work is done without the GIL."""
    schema = Schema.from_arrow(lines.schema)

    def run() -> None:
        rows = 0
        for file in files:
            reader = read_json(f"/proc/self/fd/{file}", schema, batch_size=batch_size)
            for batch in pa.RecordBatchReader.from_stream(reader):
                rows += batch.num_rows
        assert rows == lines.rows

    return run


def in_memory(lines: Lines) -> list[int]:
    """A memfd for each chunk."""
    files = []
    for chunk in lines.chunks:
        files.append(os.memfd_create("chunk"))
        os.write(files[-1], chunk.data)
    return files


def compare(runs: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """CPU-seconds of each, every other round in reverse order, after a round to warm up."""
    costs: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name in runs if turn % 2 else reversed(runs):
            gc.collect()
            start = time.process_time()
            runs[name]()
            if turn > 0:
                costs[name].append(time.process_time() - start)
    return costs


def ratio(costs: Mapping[str, list[float]], ours: str, theirs: str) -> float:
    """Median over the rounds of ours divided by theirs."""
    return median(our / their for our, their in zip(costs[ours], costs[theirs], strict=True))


def damage(lines: Lines, bad: int) -> Lines:
    """The same lines, of which `bad` cannot be decoded."""
    random = Random(bad)
    chunks = []
    places = sorted(random.sample(range(lines.rows), bad))
    done = 0
    for chunk in lines.chunks:
        pieces = bytes(chunk.data).splitlines(keepends=True)
        for place in places:
            if done <= place < done + len(pieces):
                line = pieces[place - done]
                cut = random.randrange(1, len(line) - 2)
                pieces[place - done] = line[:cut] + b"\x01" + line[cut + 1 :]
        done += len(pieces)
        chunks.append(Chunk(b"".join(pieces), 1, chunk.offset))
    return Lines(lines.schema, chunks, lines.rows)


def measure(name: str, scale: float, rounds: int) -> dict[str, float]:
    """All figures of one data set."""
    lines = load(name, scale)
    decoder = CompiledDecoder(lines.schema)
    plain = CompiledDecoder(lines.schema, native=build("plain"))
    files = in_memory(lines)
    runs = {
        "ours": ours(lines, decoder),
        "plain": ours(lines, plain),
        "arro3 1024": arro3(lines, 1024, files),
        "arro3 2048": arro3(lines, 2048, files),
    }
    costs = compare(runs, rounds)
    for file in files:
        os.close(file)
    best = min("arro3 1024", "arro3 2048", key=lambda run: median(costs[run]))
    figures = {f"{run}, CPU-s/GB": median(of) / lines.size * 1e9 for run, of in costs.items()}
    figures[f"ours / {ARRO3}"] = ratio(costs, "ours", best)
    figures["vector / plain"] = ratio(costs, "ours", "plain")
    for bad in BAD_LINES:
        share = round(bad * lines.rows / BAD_OF)
        pair = {"clean": runs["ours"], "bad": ours(damage(lines, share), decoder, share)}
        figures[f"clean / {bad} bad of {BAD_OF}"] = ratio(compare(pair, rounds), "clean", "bad")
    return figures


def section(scale: float, rounds: int) -> list[str]:
    """The figures of both data sets as a part of the benchmarks' page."""
    results = {name: measure(name, scale, rounds) for name in SETS}
    lines = [
        f"Medians of {rounds} rounds, on {scale:g} of the data.",
        "",
        f"| figure | {' | '.join(SETS)} |",
        f"| --- |{' ---: |' * len(SETS)}",
    ]
    for label in results[SETS[0]]:
        cells = [f"{results[name][label]:.3f}" for name in SETS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    found = [verdict for name in SETS for verdict in judged(name, results[name])]
    return [*lines, "", *verdicts(found)]


def judged(name: str, figures: Mapping[str, float]) -> list[Verdict]:
    """The limits of one data set, against its figures."""
    most, aim = AGAINST_ARRO3[name]
    found = [Verdict(f"{name}: CPU by {ARRO3}", figures[f"ours / {ARRO3}"], most, aim)]
    for bad, (least, wanted) in BAD_LINES.items():
        case = f"{name}: speed with {bad} bad lines by that with none"
        speed = figures[f"clean / {bad} bad of {BAD_OF}"]
        found.append(Verdict(case, speed, least, wanted, least=True, digits=3))
    case = f"{name}: speed of the plain path by the vector path"
    return [*found, Verdict(case, figures["vector / plain"], 0.7, least=True)]


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("\n".join(section(options.scale, options.rounds)))


if __name__ == "__main__":
    main()
