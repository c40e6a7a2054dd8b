"""A flow as text and as a Mermaid graph, before it runs."""

from collections.abc import Hashable

from penstock.base import format_size
from penstock.flow._branch import ELSE
from penstock.flow._order import Key
from penstock.flow._plan import FlowPlan, Node
from penstock.flow._stage import Stage, StageOptions
from penstock.flow._statistics import FlowStatistics, StageStatistics


def explain_text(plan: FlowPlan) -> str:
    """One line per stage: how it runs, what it may hold, where order is lost."""
    lines = [f"flow {plan.options.name}"]
    several = len(plan.origins) > 1
    for number, origin in enumerate(plan.origins, start=1):
        below = f", to {plan.stages[origin.below].name}" if several else ""
        lines.append(f"  source{number if several else ''} {type(origin.source).__name__}{below}")
    losses = losses_of(plan)
    for place, node in enumerate(plan.nodes):
        lines.append(f"  {node.stage.name}: {_how(node)}; holds {_room(plan, node.stage)}")
        if losses[place]:
            lines.append(f"    order is lost here: {losses[place]}")
        lines += _below(plan, place)
    letters = plan.options.dead_letters
    kept = "in memory, the last 1,000, not durable" if letters is None else f"to {letters}"
    lines.append(f"  dead letters {kept}")
    if plan.options.early_ack:
        lines.append("  acknowledged before the first stage works: at most once")
    if plan.options.checkpoint is not None:
        lines.append(f"  progress is kept in {plan.options.checkpoint}")
    return "\n".join(lines)


def explain_mermaid(plan: FlowPlan, taken: FlowStatistics | None = None) -> str:
    """The graph in Mermaid's language; edges carry capacities, and the keys of branches.

    With statistics stages say how fast and how busy they are, and edges what waits there.
    """
    lines = ["flowchart LR"]
    several = len(plan.origins) > 1
    edges: list[tuple[str, str, int]] = []
    for number, origin in enumerate(plan.origins, start=1):
        name = f"source{number if several else ''}"
        lines.append(f'  {name}(["{type(origin.source).__name__}"])')
        edges.append((name, "", origin.below))
    for place, node in enumerate(plan.nodes):
        live = None if taken is None else taken.stages.get(node.stage.name)
        room = _room(plan, node.stage) if live is None else _waiting(live)
        lines.append(f"  stage{place}{_shape(node, live)}")
        for above, key, below in edges:
            if below == place:
                lines.append(f'  {above} -->|"{key}{room}"| stage{place}')
        labels = [f"{_escaped(_named(key))}<br/>" if node.fork else "" for key, _ in node.below]
        edges += [
            (f"stage{place}", label, below)
            for label, (_, below) in zip(labels, node.below, strict=True)
        ]
    return "\n".join(lines)


def losses_of(plan: FlowPlan) -> list[str]:
    """Why messages leave each stage in another order than they entered the flow, where that is lost first."""
    ordered: list[list[bool]] = [[] for _ in plan.nodes]
    for origin in plan.origins:
        ordered[origin.below].append(True)
    losses = []
    for node, above in zip(plan.nodes, ordered, strict=True):
        loss = ""
        if any(above):
            joined = f"{len(above)} streams come together as they come"
            loss = joined if len(above) > 1 else _advised(node.stage)
        losses.append(loss)
        for _, place in node.below:
            ordered[place].append(any(above) and not loss)
    return losses


def loses_order(stage: Stage[..., object]) -> str:
    """Why messages may leave the stage in another order than they entered; empty where they do not."""
    options = stage.options
    lossy = options.workers > 1 or options.retry.maximum_attempts != 1
    if options.order == "input":
        return ""
    if isinstance(options.order, Key):
        return "messages of other keys overtake" if lossy else ""
    if options.workers > 1:
        return f"{options.workers} workers finish when they finish"
    if options.retry.maximum_attempts != 1:
        return "a message that is tried again is overtaken"
    return ""


def _advised(stage: Stage[..., object]) -> str:
    loss = loses_order(stage)
    return f"{loss}; order='input' keeps it" if loss else ""


def _below(plan: FlowPlan, place: int) -> list[str]:
    """Where messages go on to, as far as that is not the next line."""
    node, names = plan.nodes[place], [stage.name for stage in plan.stages]
    if node.fork is not None:
        return [f"    {_named(key)}: to {names[below]}" for key, below in node.below]
    if not node.below:
        return ["    delivered here"] if place < len(names) - 1 else []
    below = node.below[0][1]
    return [f"    to {names[below]}"] if below != place + 1 else []


def _named(key: Hashable) -> str:
    return ELSE.value if key is ELSE else f"branch {key}"


def _escaped(text: str) -> str:
    return text.replace('"', "#quot;")


def _waiting(live: StageStatistics) -> str:
    return f"{live.queue_items:,} of {live.capacity:,} waiting"


def _shape(node: Node, live: StageStatistics | None) -> str:
    options = node.stage.options
    label = _escaped(node.stage.name)
    if node.fork is not None:
        return f'{{"{label}"}}'
    label = f"{label}<br/>{options.pool} x{options.workers}"
    if live is not None:
        label += f"<br/>{live.throughput:,.0f}/s, {live.utilization:.0%} busy"
        label += f"<br/>{live.dead:,} dead" if live.dead else ""
    return f'["{label}"]' if node.below else f'(["{label}"])'


def _how(node: Node) -> str:
    options = node.stage.options
    if node.fork is not None:
        count = len(node.fork.branches)
        which = "all" if node.fork.choose is None else "one"
        return f"each message to {which} of {count} branch{'es' if count > 1 else ''}"
    words = [f"{options.workers} {options.pool} worker{'s' if options.workers > 1 else ''}"]
    if options.auto:
        words[0] += " (auto)"
    if options.batched:
        words.append(_batches(options))
    if node.stage.expands:
        words.append("one to many" + (", streaming" if options.streaming else ""))
    return ", ".join([*words, *_limits(options), *_order(options)])


def _limits(options: StageOptions) -> list[str]:
    words = []
    if options.retry.maximum_attempts != 1:
        words.append(f"{options.retry.maximum_attempts or 'unlimited'} attempts")
    if options.rate is not None:
        words.append(f"at most {options.rate}")
    if options.timeout is not None:
        words.append(f"time-out {options.timeout:g}s")
    if options.memory is not None:
        words.append(f"at most {format_size(options.memory)} each")
    return words


def _order(options: StageOptions) -> list[str]:
    if isinstance(options.order, Key):
        return ["one at a time of each key"]
    return ["input order"] if options.order == "input" else []


def _batches(options: StageOptions) -> str:
    limits = [f"{options.batch:,}"] if options.batch else []
    limits += [format_size(options.batch_bytes)] if options.batch_bytes else []
    idle = "" if options.idle is None else f", or idle for {options.idle:g}s"
    return f"batches of {' or '.join(limits)} within {options.within:g}s{idle}"


def _room(plan: FlowPlan, stage: Stage[..., object]) -> str:
    return f"{plan.capacity(stage):,} messages or {format_size(plan.capacity_bytes(stage))}"
