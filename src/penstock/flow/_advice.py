"""What would make a flow faster, by rule."""

from penstock.flow._statistics import FlowStatistics, StageStatistics

_COMPUTES = 0.6
_QUICK = 1e-4


def bottleneck_of(statistics: FlowStatistics) -> str:
    """The stage that works or waits for its rate most of the time; of equals the first."""
    stages = [one for one in statistics.stages.values() if one.taken]
    return max(stages, key=lambda one: one.utilization + one.limited).name if stages else ""


def advice_of(statistics: FlowStatistics) -> str:
    """What would make the flow faster."""
    name = bottleneck_of(statistics)
    if not name:
        return "no message reached a stage"
    stage = statistics.stages[name]
    share = f"{stage.utilization:.0%}"
    if stage.limited >= 0.5:
        return f"the rate limit of {name!r} sets the pace: its workers waited for it {stage.limited:.0%} of the time"
    loop = _loop_share(statistics)
    if loop > _COMPUTES and stage.pool == "async":
        return (
            f"the event loop is the bottleneck: stages computed on it {loop:.0%} of the time, {name!r} "
            f"the most ({share}): give it batch=N or pool='process'"
        )
    if stage.utilization < 0.5:
        return (
            f"the source sets the pace: the busiest stage, {name!r}, was busy {share} of the time"
        )
    if stage.pool == "caller":
        return f"whoever iterates the stream sets the pace: it was busy {share} of the time"
    return f"{name!r} is the bottleneck ({share} busy){_remedy(stage, last=name == list(statistics.stages)[-1])}"


def _loop_share(statistics: FlowStatistics) -> float:
    """Share of the time in which quick functions, which cannot have waited, had the loop."""
    quick = [
        stage
        for stage in statistics.stages.values()
        if stage.pool == "async" and stage.run_p50 < _QUICK
    ]
    return min(sum(stage.utilization * stage.workers for stage in quick), 1.0)


def _remedy(stage: StageStatistics, *, last: bool) -> str:
    if stage.pool == "process":
        return ": raise its workers up to the number of cores"
    if stage.pool == "thread" and stage.computing > _COMPUTES:
        return (
            f" and computes ({stage.computing:.0%} of its time on the processor), which threads of one "
            "process do in turns: use pool='process'"
        )
    if last and not stage.batch:
        return " and the last: give it batch=N, so that one write serves many messages, or raise its workers"
    return " and waits: raise its workers"
