"""Fan-out and fan-in: three checks of an order at the same time, one decision when all have spoken.

python fan_out_fan_in.py
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from penstock import Drop, Flow, stage, tee


@dataclass(frozen=True)
class Order:
    """What a customer wants."""

    number: int
    pieces: int
    price: int


@dataclass(frozen=True)
class Finding:
    """What one check says of one order."""

    number: int
    check: str
    passed: bool


@stage(workers=8)
async def stock(order: Order) -> Finding:
    await asyncio.sleep(0.003)
    return Finding(order.number, "stock", order.pieces <= 4)


@stage(workers=4)
async def credit(order: Order) -> Finding:
    await asyncio.sleep(0.002)
    return Finding(order.number, "credit", order.price < 90)


@stage(workers=2)
async def fraud(order: Order) -> Finding:
    await asyncio.sleep(0.001)
    return Finding(order.number, "fraud", order.number % 10 != 3)


CHECKS = 3
open_orders: dict[int, list[Finding]] = defaultdict(list)


@stage
async def decide(finding: Finding) -> str | Drop:
    """The last finding of an order brings the decision; those before it wait here."""
    findings = open_orders[finding.number]
    findings.append(finding)
    if len(findings) < CHECKS:
        return Drop()
    del open_orders[finding.number]
    failed = sorted(finding.check for finding in findings if not finding.passed)
    return f"order {finding.number}: {'refused, ' + ' and '.join(failed) if failed else 'accepted'}"


if __name__ == "__main__":
    orders = [Order(number, number % 6, number * 5) for number in range(20)]
    decisions: list[str] = []
    report = (Flow("orders") | orders | tee(stock, credit, fraud) | decide | decisions.append).run()
    print(f"{report.pulled} orders, {report.delivered} decisions, {len(open_orders)} open")
    print(*sorted(line for line in decisions if "refused" in line), sep="\n")
