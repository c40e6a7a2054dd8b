"""Real-time analytics in five stages over four feeds that come in bursts.

Clicks, sensor readings, ticks of a market and log lines are ingested, brought into one form, enriched,
scored against what is usual for their subject, and stored in SQLite. The flow goes on where it ended:
run it twice with the same directory, and the second run has nothing left to do. What is usual is learnt
anew in each run.

    python analytics.py DIRECTORY
"""

import asyncio
import json
import random
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Never

from penstock import Flow, PoisonError, key, merge, route, stage
from penstock.flow import Checkpoint

BURSTS, BURST = 5, 200
OWNERS = {"page": "web", "sensor": "plant", "symbol": "desk", "service": "platform"}
LOG_LINE = re.compile(r"(?P<service>\w+) took (?P<ms>\d+)ms")


@dataclass(frozen=True)
class Event:
    """What all feeds have in common."""

    event_id: str
    feed: str
    subject: str
    value: float
    owner: str = ""
    score: float = 0.0


# 1. Ingestion: four feeds, each silent until its next burst.


def click(number: int, chance: random.Random) -> str:
    return json.dumps({"page": f"/page/{number % 7}", "ms": round(chance.gauss(300, 30))})


def reading(number: int, chance: random.Random) -> str:
    if number % 100 == 99:
        return f"{number % 5};n/a"
    return f"{number % 5};{chance.gauss(20, 0.5):.2f}"


def tick(number: int, chance: random.Random) -> str:
    crash = 40 if number == 700 else 0
    return f"{('ACME', 'INIT', 'UMBR')[number % 3]} {chance.gauss(100, 1) - crash:.2f}"


def log(number: int, chance: random.Random) -> str:
    return f"{('auth', 'cart')[number % 2]} took {round(chance.gauss(80, 8))}ms"


async def feed(
    name: str, line: Callable[[int, random.Random], str]
) -> AsyncIterator[tuple[str, str, str]]:
    """The same lines in every run, so that a later run can skip those that are settled."""
    chance = random.Random(name)
    for burst in range(BURSTS):
        for number in range(burst * BURST, (burst + 1) * BURST):
            yield f"{name}/{number}", name, line(number, chance)
        await asyncio.sleep(0.02)


# 2. Normalisation: a stage for each feed.


def from_click(raw: tuple[str, str, str]) -> Event:
    event_id, name, line = raw
    fields = json.loads(line)
    return Event(event_id, name, f"page {fields['page']}", fields["ms"])


def from_reading(raw: tuple[str, str, str]) -> Event:
    event_id, name, line = raw
    number, _, value = line.partition(";")
    if value == "n/a":
        raise PoisonError(f"sensor {number} gave no value")
    return Event(event_id, name, f"sensor {number}", float(value))


def from_tick(raw: tuple[str, str, str]) -> Event:
    event_id, name, line = raw
    symbol, price = line.split()
    return Event(event_id, name, f"symbol {symbol}", float(price))


def from_log(raw: tuple[str, str, str]) -> Event:
    event_id, name, line = raw
    found = LOG_LINE.fullmatch(line)
    if found is None:
        raise PoisonError(f"not a line of this log: {line!r}")
    return Event(event_id, name, f"service {found['service']}", float(found["ms"]))


normalise = route(
    lambda raw: raw[1],
    {"clicks": from_click, "sensors": from_reading, "ticks": from_tick, "logs": from_log},
    name="normalise",
)


# 3. Enrichment: a service that allows so many questions a second.


@stage(workers=32, rate="4000/s", timeout="5s")
async def enrich(event: Event) -> Event:
    await asyncio.sleep(0.001)
    return replace(event, owner=OWNERS[event.subject.split()[0]])


# 4. Scoring: how far from what is usual; the events of one subject one after the other.

usual: dict[str, tuple[int, float, float]] = defaultdict(lambda: (0, 0.0, 0.0))


@stage(workers=4, order=key(lambda event: event.subject))
async def score(event: Event) -> Event:
    """Distance from the mean in standard deviations, by Welford's algorithm."""
    count, mean, squares = usual[event.subject]
    deviation = (squares / count) ** 0.5 if count > 10 else 0.0
    distance = abs(event.value - mean) / deviation if deviation else 0.0
    step = event.value - mean
    mean += step / (count + 1)
    usual[event.subject] = count + 1, mean, squares + step * (event.value - mean)
    return replace(event, score=distance)


# 5. Storage: many rows in one transaction; by id, so that a repeat after a crash changes nothing.


def create(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS events (id PRIMARY KEY, feed, subject, value, owner, score)"
        )


def insert(path: Path, events: list[Event]) -> None:
    rows = [(e.event_id, e.feed, e.subject, e.value, e.owner, e.score) for e in events]
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)


def analytics(directory: Path) -> Flow[Never]:
    directory.mkdir(parents=True, exist_ok=True)
    create(directory / "events.db")
    feeds = merge(
        feed("clicks", click), feed("sensors", reading), feed("ticks", tick), feed("logs", log)
    )
    store = stage(name="store", pool="thread", batch=500, within="200ms", idle="20ms")
    flow = Flow("analytics", capacity=256, checkpoint=Checkpoint(directory / "state", every="1s"))
    return (
        flow | feeds | normalise | enrich | score | store(partial(insert, directory / "events.db"))
    )


if __name__ == "__main__":
    where = Path(sys.argv[1])
    report = analytics(where).run()
    print(f"{report.delivered} delivered, {report.dead} dead")
    with closing(sqlite3.connect(where / "events.db")) as events:
        for row in events.execute(
            "SELECT owner, count(*) FROM events GROUP BY owner ORDER BY owner"
        ):
            print(*row)
        for row in events.execute("SELECT id, subject FROM events WHERE score > 10"):
            print("alert:", *row)
