"""From live counters to frozen statistics."""

from typing import Any

from penstock.flow._outcome import Ledger
from penstock.flow._pump import Pump
from penstock.flow._statistics import FlowStatistics, StageStatistics
from penstock.flow._work import Work


def snapshot(
    ledger: Ledger, works: list[Work], pumps: list[Pump], elapsed: float
) -> FlowStatistics:
    """The flow at this instant.

    What is in flight is counted where it lies, not derived from the outcomes: that the two agree
    is the proof that nothing was lost.
    """
    stages = {work.stage.name: _stage(work, elapsed) for work in works}
    lying = sum(ledger.weigh(list(work.intake.items)) + work.meter.in_hand for work in works)
    return FlowStatistics(
        flow=ledger.flow,
        elapsed=elapsed,
        pulled=ledger.pulled,
        extra=sum(work.meter.extra for work in works),
        delivered=ledger.delivered,
        filtered=sum(work.meter.filtered for work in works),
        dead=sum(work.meter.dead for work in works),
        in_flight=sum(pump.in_hand for pump in pumps) + lying + ledger.returned,
        stages=stages,
    )


def _stage(work: Work, elapsed: float) -> StageStatistics:
    meter, intake, options = work.meter, work.intake, work.stage.options
    paid = max(elapsed * options.workers, 1e-9)
    settled = meter.emitted + meter.filtered + meter.dead
    figures: dict[str, Any] = {
        "wait_p50": intake.wait.quantile(0.5),
        "wait_p99": intake.wait.quantile(0.99),
        "run_p50": meter.run.quantile(0.5),
        "run_p99": meter.run.quantile(0.99),
        "throughput": settled / max(elapsed, 1e-9),
        "utilization": min(meter.run.total / paid, 1.0),
        "blocked": min(meter.blocked / paid, 1.0),
        "limited": min(meter.limited / paid, 1.0),
    }
    return StageStatistics(
        name=work.stage.name,
        pool=options.pool,
        workers=options.workers,
        taken=meter.taken,
        emitted=meter.emitted,
        filtered=meter.filtered,
        dead=meter.dead,
        extra=meter.extra,
        failures=meter.failures,
        retries=meter.retries,
        replaced=meter.replaced,
        in_hand=meter.in_hand,
        queue_items=len(intake.items),
        queue_bytes=intake.bytes,
        peak_items=intake.peak_items,
        peak_bytes=intake.peak_bytes,
        capacity=intake.capacity,
        capacity_bytes=intake.capacity_bytes,
        oldest_age=intake.oldest_age(),
        **figures,
    )
