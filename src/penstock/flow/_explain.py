"""A flow as text and as a Mermaid graph, before it runs."""

from penstock.base import format_size
from penstock.flow._order import Key
from penstock.flow._plan import FlowPlan
from penstock.flow._stage import Stage, StageOptions


def explain_text(plan: FlowPlan) -> str:
    """One line per stage: how it runs, what it may hold, where order is lost."""
    lines = [f"flow {plan.options.name}", f"  source {type(plan.source).__name__}"]
    ordered = True
    for stage in plan.stages:
        lines.append(f"  {stage.name}: {_how(stage)}; holds {_room(plan, stage)}")
        if ordered and loses_order(stage):
            lines.append(f"    order is lost here: {loses_order(stage)}; order='input' keeps it")
            ordered = False
    letters = plan.options.dead_letters
    kept = "in memory, the last 1,000, not durable" if letters is None else f"to {letters}"
    lines.append(f"  dead letters {kept}")
    return "\n".join(lines)


def explain_mermaid(plan: FlowPlan) -> str:
    """The graph in Mermaid's language; edges carry capacities."""
    lines = ["flowchart LR", f'  source(["{type(plan.source).__name__}"])']
    above = "source"
    for number, stage in enumerate(plan.stages):
        node = f"stage{number}"
        label = f"{stage.name}<br/>{stage.options.pool} x{stage.options.workers}"
        last = number == len(plan.stages) - 1
        lines.append(f'  {node}(["{label}"])' if last else f'  {node}["{label}"]')
        lines.append(f'  {above} -->|"{_room(plan, stage)}"| {node}')
        above = node
    return "\n".join(lines)


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


def _how(stage: Stage[..., object]) -> str:
    options = stage.options
    words = [f"{options.workers} {options.pool} worker{'s' if options.workers > 1 else ''}"]
    if options.batched:
        words.append(_batches(options))
    if stage.expands:
        words.append("one to many" + (", streaming" if options.streaming else ""))
    if options.retry.maximum_attempts != 1:
        words.append(f"{options.retry.maximum_attempts or 'unlimited'} attempts")
    if options.rate is not None:
        words.append(f"at most {options.rate}")
    if options.timeout is not None:
        words.append(f"time-out {options.timeout:g}s")
    if options.order == "input":
        words.append("input order")
    if isinstance(options.order, Key):
        words.append("one at a time of each key")
    return ", ".join(words)


def _batches(options: StageOptions) -> str:
    limits = [f"{options.batch:,}"] if options.batch else []
    limits += [format_size(options.batch_bytes)] if options.batch_bytes else []
    idle = "" if options.idle is None else f", or idle for {options.idle:g}s"
    return f"batches of {' or '.join(limits)} within {options.within:g}s{idle}"


def _room(plan: FlowPlan, stage: Stage[..., object]) -> str:
    return f"{plan.capacity(stage):,} messages or {format_size(plan.capacity_bytes(stage))}"
