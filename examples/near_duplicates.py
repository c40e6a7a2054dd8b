"""Find texts that are nearly the same: MinHash signatures, computed by all processors.

python near_duplicates.py
"""

import random
import zlib
from collections import defaultdict
from collections.abc import Iterator

from penstock import Flow, stage

WORDS = ["river", "gate", "lock", "weir", "basin", "sluice", "pond", "spill", "dam", "mill", "race"]
MULTIPLIERS = [random.Random(seed).randrange(1, 1 << 32) | 1 for seed in range(64)]
BANDS = 8


@stage(pool="process", workers="auto", chunk=8)
def signature(document: tuple[str, str]) -> tuple[str, list[int]]:
    """The least of each of 64 hashes over the text's runs of three words."""
    name, text = document
    words = text.split()
    runs = {" ".join(words[place : place + 3]) for place in range(len(words) - 2)}
    hashes = [zlib.crc32(run.encode()) for run in runs]
    return name, [min(one * factor & 0xFFFFFFFF for one in hashes) for factor in MULTIPLIERS]


def documents(count: int) -> Iterator[tuple[str, str]]:
    """Random texts; every hundredth is the one before it with one word changed."""
    chance = random.Random(1)
    text: list[str] = []
    for number in range(count):
        if number % 100 == 99:
            text = [*text[:-10], "surprise", *text[-9:]]
        else:
            text = chance.choices(WORDS, k=200)
        yield f"text-{number}", " ".join(text)


class Buckets:
    """Names of texts that agree in a whole band of their signatures."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, ...], set[str]] = defaultdict(set)

    def add(self, signed: tuple[str, list[int]]) -> None:
        name, signature = signed
        width = len(signature) // BANDS
        for band in range(BANDS):
            self._names[band, *signature[band * width : (band + 1) * width]].add(name)

    def alike(self) -> list[tuple[str, ...]]:
        """Groups of names, each once."""
        groups = {tuple(sorted(names)) for names in self._names.values() if len(names) > 1}
        return sorted(groups)


if __name__ == "__main__":
    buckets = Buckets()
    report = (Flow("near-duplicates") | documents(400) | signature | buckets.add).run()
    print(f"{report.delivered} texts")
    for names in buckets.alike():
        print(*names)
