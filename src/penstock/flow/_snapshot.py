"""From live counters to frozen statistics."""

from typing import Any

from penstock.flow._channel import MemoryChannel
from penstock.flow._errors import FlowError
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
    return FlowStatistics(
        flow=ledger.flow,
        elapsed=elapsed,
        pulled=ledger.pulled,
        extra=sum(work.meter.extra for work in works),
        delivered=ledger.delivered,
        filtered=sum(work.meter.filtered for work in works),
        dead=sum(work.meter.dead for work in works),
        in_flight=_in_flight(ledger, works, pumps),
        stages=stages,
    )


def _in_flight(ledger: Ledger, works: list[Work], pumps: list[Pump]) -> int:
    flying = ledger.returned
    for pump in pumps:
        flying += pump.in_hand
    for work in works:
        flying += work.meter.in_hand
        flying += work.intake.packed
        if work.intake.items:
            flying += ledger.weigh(list(work.intake.items))
    return flying


def verify(ledger: Ledger, works: list[Work], pumps: list[Pump]) -> None:
    """Check that outcomes add up, and that each channel is within its bounds.

    Raises:
        FlowError: They do not, or it is not; with the figures.
    """
    begun, ended = ledger.pulled, ledger.delivered
    for work in works:
        begun += work.meter.extra
        ended += work.meter.filtered + work.meter.dead
    flying = _in_flight(ledger, works, pumps)
    if begun != ended + flying:
        raise FlowError(f"outcomes do not add up: {begun} begun, {ended} ended, {flying} in flight")
    for work in works:
        if work.meter.in_hand < 0:
            raise FlowError(f"stage {work.stage.name!r} has {work.meter.in_hand} in hand")
        if work.intake.count or work.intake.bytes:
            _verify_bounds(work.intake)


def _verify_bounds(intake: MemoryChannel[Any]) -> None:
    count, size = intake.count, sum(message.size for message in intake.items)
    size += sum(pack.bytes for pack in intake.packs)
    if size != intake.bytes:
        raise FlowError(f"channel {intake.name!r} counts {intake.bytes} bytes and holds {size}")
    if count > intake.capacity or (count > 1 and size > intake.capacity_bytes):
        raise FlowError(
            f"channel {intake.name!r} holds {count} messages of {size} bytes, "
            f"and its capacity is {intake.capacity} and {intake.capacity_bytes} bytes"
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
        "computing": min(meter.computed / max(meter.run.total, 1e-9), 1.0),
        "batch": options.batch,
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
        hung=meter.hung,
        in_hand=meter.in_hand,
        queue_items=intake.count,
        queue_bytes=intake.bytes,
        peak_items=intake.peak_items,
        peak_bytes=intake.peak_bytes,
        capacity=intake.capacity,
        capacity_bytes=intake.capacity_bytes,
        oldest_age=intake.oldest_age(),
        **figures,
    )
