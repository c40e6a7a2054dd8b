"""Flows drawn from a seed, for the simulator, and what must hold of each of them.

`python -m tests.flow.random_flows SEED` shows one of them and runs it.
"""

import argparse
import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from penstock import Flow, RetryPolicy, stage
from penstock.flow import Sink, key, route, tee
from penstock.flow._order import Key
from penstock.testing import FaultPlan, Simulation, SimulationError, simulate

SINGLE = ("pass", "pass", "filter", "expand", "stream", "batch")
"""Stages that keep messages apart."""

KINDS = (*SINGLE, "collective", "fork")
TOGETHER = ("pass", "batch", "collective")
WAYS = 2
KEYS = 3

Atom = tuple[int, ...]
"""What a payload is made of: the number of the source message, and the place at each one to many stage."""

Payload = tuple[Atom, ...]


@dataclass(frozen=True)
class Step:
    """A stage."""

    place: int
    kind: str
    options: dict[str, Any]
    branch: int = 0
    """Which one of a tee begins here, for the kind `mark`."""


@dataclass(frozen=True)
class Split:
    """A place where the flow divides: a route by the atom, or a tee, which gives each branch all."""

    place: int
    tee: bool
    branches: list[list[Step]]


@dataclass
class World:
    """A flow, and what the functions of its stages have seen."""

    seed: int
    chance: random.Random = field(init=False)
    parts: list[Step | Split] = field(default_factory=list)
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
        return set(self._through(self.parts, [(number,)]))

    def _through(self, parts: Sequence[Step | Split], atoms: list[Atom]) -> list[Atom]:
        for part in parts:
            match part:
                case Split(place, tee, branches):
                    atoms = [
                        atom
                        for way, branch in enumerate(branches)
                        for atom in self._through(
                            branch, [one for one in atoms if tee or self.way(place, one) == way]
                        )
                    ]
                case Step():
                    atoms = [child for atom in atoms for child in self._made(part, atom)]
        return atoms

    def _made(self, step: Step, atom: Atom) -> list[Atom]:
        match step.kind:
            case "mark":
                return [(*atom, step.branch)]
            case "filter":
                return [] if self.filters(step.place, atom) else [atom]
            case "expand" | "stream":
                children = range(self.number_of_children(step.place, atom))
                return [(*atom, child) for child in children]
        return [atom]

    def way(self, place: int, atom: Atom) -> int:
        """The branch of a route."""
        return hash((self.seed, place, atom)) % WAYS

    @property
    def steps(self) -> list[Step]:
        """All stages but the last, with those of the branches."""
        return [
            step
            for part in self.parts
            for step in ([part] if isinstance(part, Step) else chain(*part.branches))
        ]

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
        if atom in self.rows and not any(step.kind == "stream" for step in self.steps):
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
    branch: int

    async def one(self, atoms: Payload) -> Payload:
        await self.rest(atoms)
        return atoms

    async def marked(self, atoms: Payload) -> Payload:
        await self.rest(atoms)
        return ((*atoms[0], self.branch),)

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


def make_part(world: World, part: Step | Split) -> Any:
    """What stands between two bars of the flow."""
    if isinstance(part, Split):
        branches = [[make_part(world, step) for step in branch] for branch in part.branches]
        if part.tee:
            return tee(*branches, name=f"s{part.place}")
        place = part.place
        return route(
            lambda atoms: world.way(place, atoms[0]), dict(enumerate(branches)), name=f"s{place}"
        )
    # A batch is of many keys, and only its first is looked at.
    keyed = isinstance(part.options.get("order"), Key) and not part.options.get("batch")
    steps = Steps(world, part.place, keyed, part.branch)
    functions = {
        "mark": steps.marked,
        "filter": steps.filtered,
        "expand": steps.many,
        "stream": steps.many,
        "batch": steps.each,
        "collective": steps.together,
    }
    return stage(name=f"s{part.place}", **part.options)(functions.get(part.kind, steps.one))


def draw_flow(seed: int) -> tuple[World, Flow, list[Any], FaultPlan]:
    """A flow of up to four parts and a sink, its items, and its faults."""
    world = World(seed)
    chance = world.chance
    # What an attempt makes of one message must fit into the channel below.
    kinds = draw_kinds(chance)
    least = 2 if "expand" in kinds or "fork" in kinds else 1
    world.parts = draw_parts(chance, kinds, least)
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
    for part in world.parts:
        flow = flow | make_part(world, part)
    flow = flow | (RowSink(world) if chance.random() < 0.3 else draw_sink(world))
    keeps = [keeps_order(one.options) for one in flow.stages]
    world.keyed = "key" in keeps
    # What a collective batch makes has the key of its first atom only; branches race each other.
    world.ordered = (
        all(keeps) and "fork" not in kinds and not (world.keyed and "collective" in kinds)
    )
    world.stubborn = chance.random() < 0.2
    items = [((number,),) for number in range(chance.choice((0, 1, 2, 5, 9, 14)))]
    plan = FaultPlan() if chance.random() < 0.8 else FaultPlan.none()
    return world, flow, items, plan


def draw_kinds(chance: random.Random) -> list[str]:
    """Below a collective batch a payload holds several atoms, which only some stages understand."""
    kinds = [chance.choice(KINDS) for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4)))]
    if "collective" in kinds:
        first = kinds.index("collective")
        kinds[first:] = [kind if kind in TOGETHER else "pass" for kind in kinds[first:]]
    return kinds


def draw_parts(chance: random.Random, kinds: list[str], least: int) -> list[Step | Split]:
    """One part of each kind; a fork has branches of at most two stages."""
    places = count()
    parts: list[Step | Split] = []
    for kind in kinds:
        place = next(places)
        if kind != "fork":
            parts.append(Step(place, kind, draw_options(chance, kind, least)))
            continue
        both = chance.random() < 0.5
        branches: list[list[Step]] = []
        for way in range(WAYS):
            # Copies are told apart by a mark, so that each has rows of its own.
            inside = ["mark"] * both + chance.choices(SINGLE, k=chance.choice((0, 1, 1, 2)))
            branches.append(
                [Step(next(places), one, draw_options(chance, one, least), way) for one in inside]
            )
        parts.append(Split(place, both, branches))
    return parts


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
