"""Flows drawn from a seed, for the simulator, and what must hold of each of them.

`python -m tests.flow.random_flows SEED` shows one of them and runs it.
"""

import argparse
import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from penstock import Flow, RetryPolicy, stage
from penstock.flow import Sink, key
from penstock.flow._order import Key
from penstock.testing import FaultPlan, Simulation, SimulationError, simulate

KINDS = ("pass", "pass", "filter", "expand", "stream", "batch", "collective")
TOGETHER = ("pass", "batch", "collective")
KEYS = 3

Atom = tuple[int, ...]
"""What a payload is made of: the number of the source message, and the place at each one to many stage."""

Payload = tuple[Atom, ...]


@dataclass
class World:
    """A flow, and what the functions of its stages have seen."""

    seed: int
    chance: random.Random = field(init=False)
    kinds: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    delivered: set[Atom] = field(default_factory=set)
    rows: list[Atom] = field(default_factory=list)
    """Those of the current life, in their order."""
    dead: set[Atom] = field(default_factory=set)
    acked: set[str] = field(default_factory=set)
    busy: set[tuple[int, int]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    ordered: bool = False
    """Whether rows come in the order of the source, if need be only within a key."""
    keyed: bool = False
    loop: object = None
    stubborn: bool = False
    """Whether functions make something else of their cancellation."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def number_of_children(self, place: int, atom: Atom) -> int:
        return hash((self.seed, place, atom)) % 3

    def filters(self, place: int, atom: Atom) -> bool:
        return hash((self.seed, place, atom)) % 4 == 0

    def leaves(self, number: int) -> set[Atom]:
        """What reaches the sink of one source message if nothing goes wrong."""
        atoms: list[Atom] = [(number,)]
        for place, (kind, _) in enumerate(self.kinds):
            if kind == "filter":
                atoms = [atom for atom in atoms if not self.filters(place, atom)]
            elif kind in {"expand", "stream"}:
                atoms = [
                    (*atom, child)
                    for atom in atoms
                    for child in range(self.number_of_children(place, atom))
                ]
        return set(atoms)

    def on_ack(self, id: str) -> None:  # noqa: A002
        """All that was made of it is delivered or recorded as dead."""
        if id in self.acked:
            self.wrong.append(f"{id} was acknowledged twice")
        self.acked.add(id)
        for atom in self.leaves(int(id)) - self.delivered:
            if not any(atom[:length] in self.dead for length in range(1, len(atom) + 1)):
                self.wrong.append(
                    f"{id} was acknowledged, and {atom} is neither delivered nor dead"
                )
        assert not self.wrong, self.wrong[0]

    def bury(self, letter: Any) -> None:
        self.dead.update(letter.payload)

    def deliver(self, atoms: Payload) -> None:
        """Rows of one life come once, in the order that is promised, and not after their ack."""
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            self.loop = loop
            self.rows.clear()
        for atom in atoms:
            self._check(atom)
            self.rows.append(atom)
            self.delivered.add(atom)

    def _check(self, atom: Atom) -> None:
        if str(atom[0]) in self.acked:
            self.wrong.append(f"{atom} is delivered after its acknowledgement")
        if atom in self.rows and not any(kind == "stream" for kind, _ in self.kinds):
            self.wrong.append(f"{atom} is delivered twice in one life")
        before = [row for row in self.rows if not self.keyed or row[0] % KEYS == atom[0] % KEYS]
        if self.ordered and before and before[-1] >= atom:
            self.wrong.append(f"{atom} is delivered after {before[-1]}")


class RowSink(Sink[Any]):
    """Delivers at its commit; what was written before a crash is gone after it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.written: list[Any] = []
        self.loop: object = None

    async def write(self, messages: Any) -> None:
        await asyncio.sleep(0)
        if self.loop is not asyncio.get_running_loop():
            self.loop = asyncio.get_running_loop()
            self.written.clear()
        self.written += [message.payload for message in messages]

    async def flush(self) -> None:
        await asyncio.sleep(0)

    async def commit(self) -> None:
        await asyncio.sleep(0)
        for payload in self.written:
            self.world.deliver(payload)
        self.written.clear()

    async def aclose(self) -> None:
        self.written.clear()


@dataclass
class Steps:
    """The functions of one stage; pure, so that a repeated attempt gives the same."""

    world: World
    place: int
    keyed: bool

    async def one(self, atoms: Payload) -> Payload:
        await self.rest(atoms)
        return atoms

    async def filtered(self, atoms: Payload) -> Payload | None:
        await self.rest(atoms)
        return None if self.world.filters(self.place, atoms[0]) else atoms

    async def many(self, atoms: Payload) -> AsyncIterator[Payload]:
        for child in range(self.world.number_of_children(self.place, atoms[0])):
            await self.rest(atoms)
            yield ((*atoms[0], child),)

    async def each(self, batch: list[Payload]) -> list[Payload]:
        await self.rest(batch[0])
        return list(batch)

    async def together(self, batch: list[Payload]) -> list[Payload]:
        await self.rest(batch[0])
        half = len(batch) // 2
        return [sum(part, ()) for part in (batch[:half], batch[half:]) if part]

    async def rest(self, atoms: Payload) -> None:
        """Take some time, alone with this key."""
        name, busy = (self.place, atoms[0][0] % KEYS), self.world.busy
        if self.keyed and name in busy:
            self.world.wrong.append(f"two of one key at a time: {name}")
        busy.add(name)
        try:
            await self.sleep(hash((self.world.seed, self.place, atoms[0])) % 5)
        finally:
            busy.discard(name)

    async def sleep(self, pace: int) -> None:
        if not pace:
            return
        try:
            await asyncio.sleep(pace - 1)
        except asyncio.CancelledError:
            if self.world.stubborn and pace == 4:
                raise OSError("interrupted") from None
            if not self.world.stubborn or pace < 3:
                raise


def make_stage(world: World, place: int, kind: str, options: dict[str, Any]) -> Any:
    """One stage of that kind."""
    # A batch is of many keys, and only its first is looked at.
    keyed = isinstance(options.get("order"), Key) and not options.get("batch")
    steps = Steps(world, place, keyed)
    functions = {
        "filter": steps.filtered,
        "expand": steps.many,
        "stream": steps.many,
        "batch": steps.each,
        "collective": steps.together,
    }
    return stage(name=f"s{place}", **options)(functions.get(kind, steps.one))


def draw_flow(seed: int) -> tuple[World, Flow, list[Any], FaultPlan]:
    """A flow of one to four stages and a sink, its items, and its faults."""
    world = World(seed)
    chance = world.chance
    # Below a collective batch a payload holds several atoms, which only some stages understand.
    kinds = [chance.choice(KINDS) for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4)))]
    if "collective" in kinds:
        first = kinds.index("collective")
        kinds[first:] = [kind if kind in TOGETHER else "pass" for kind in kinds[first:]]
    # What an attempt makes of one message must fit into the channel below.
    least = 2 if "expand" in kinds else 1
    flow = (
        Flow(
            f"seed {seed}",
            capacity=chance.choice((least, 2, 3, 8)),
            capacity_bytes=chance.choice((1, 100, 1 << 20)),
            dead_letters=world.bury,
            drain_timeout="20s",
        )
        | []
    )
    for place, kind in enumerate(kinds):
        options = draw_options(chance, kind, least)
        world.kinds.append((kind, options))
        flow = flow | make_stage(world, place, kind, options)
    flow = flow | (RowSink(world) if chance.random() < 0.3 else draw_sink(world))
    keeps = [keeps_order(one.options) for one in flow.stages]
    world.keyed = "key" in keeps
    # What a collective batch makes has the key of its first atom only.
    world.ordered = all(keeps) and not (world.keyed and "collective" in kinds)
    world.stubborn = chance.random() < 0.2
    items = [((number,),) for number in range(chance.choice((0, 1, 2, 5, 9, 14)))]
    plan = FaultPlan() if chance.random() < 0.8 else FaultPlan.none()
    return world, flow, items, plan


def draw_options(chance: random.Random, kind: str, least: int) -> dict[str, Any]:
    options: dict[str, Any] = {"workers": chance.choice((1, 1, 2, 3))}
    if chance.random() < 0.5:
        wait = chance.choice(("0s", "1s", "5s"))
        options["retry"] = RetryPolicy(
            maximum_attempts=chance.choice((2, 3)), initial_interval=wait, maximum_interval=wait
        )
    if chance.random() < 0.3:
        options["timeout"] = chance.choice(("1s", "3s"))
    if chance.random() < 0.3:
        options["capacity"] = chance.choice((least, 2, 5))
    if chance.random() < 0.15:
        options["rate"] = chance.choice(("1/s", "10/s"))
    options |= draw_batch(chance) if kind in {"batch", "collective"} else {}
    if kind == "collective":
        options["collective"] = True
    elif kind == "stream":
        options["streaming"] = True
    else:
        options["order"] = chance.choice(
            ("none", "none", "input", key(lambda atoms: atoms[0][0] % KEYS))
        )
    return options


def draw_batch(chance: random.Random) -> dict[str, Any]:
    options = {"batch": chance.choice((1, 2, 4)), "within": chance.choice(("1s", "10s"))}
    return options | ({"idle": "500ms"} if chance.random() < 0.3 else {})


def keeps_order(options: Any) -> str:
    """What order a stage keeps, by what its documentation says."""
    if isinstance(options.order, Key):
        return "key"
    alone = options.workers == 1 and options.retry.maximum_attempts == 1
    return "input" if alone or options.order == "input" else ""


def draw_sink(world: World) -> Any:
    async def deliver(atoms: Payload) -> None:
        if world.chance.random() < 0.5:
            await asyncio.sleep(0)
        world.deliver(atoms)

    return stage(name="deliver", workers=world.chance.choice((1, 1, 2)))(deliver)


def run(seed: int) -> tuple[World, Simulation]:
    """Draw a flow, simulate it, and check what only its world knows.

    Raises:
        SimulationError: Something did not hold.
    """
    world, flow, items, plan = draw_flow(seed)
    history = simulate(flow, items, seed=seed, faults=plan, on_ack=world.on_ack)
    if world.acked != {str(number) for number in range(len(items))} or world.wrong:
        raise SimulationError(f"seed {seed}: {world.wrong or world.acked}")
    return world, history


def main() -> None:
    """Show one flow, and run it."""
    parser = argparse.ArgumentParser(description="Simulate one random flow.")
    parser.add_argument("seed", type=int)
    seed = parser.parse_args().seed
    _, flow, items, plan = draw_flow(seed)
    print(flow.explain(), f"{len(items)} items, {plan}", sep="\n")
    _, history = run(seed)
    for life in history.lives:
        print(life)


if __name__ == "__main__":
    main()
