"""`penstock top`: the stages of a running flow, read from the address where its metrics are served."""

import re
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

from penstock.base import PenstockError, Value
from penstock.cli._exits import DONE
from penstock.cli._output import Output
from penstock.cli._printing import print_json, print_table
from penstock.telemetry import TelemetryServer

_SAMPLE = re.compile(r"penstock_flow_(\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_CLEAR = "\x1b[2J\x1b[H"
_TIMEOUT_S = 5.0
_USUAL = "127.0.0.1:9464"
_HINT = "start one with `flow.run(metrics=True)`, or give the address of another"
_LISTED = ("address", "pid", "flow", "elapsed", "pulled", "delivered", "dead", "in_flight")
_STATES = ("pulled", "extra", "delivered", "filtered", "dead", "in_flight")
_COLUMNS = (
    "stage", "pool", "queue", "per_s", "busy", "blocked", "p50", "p99", "wait_p99", "oldest", "retries", "dead",
)  # fmt: skip


class NoFlowError(PenstockError):
    """Nothing answers at the address, or what answers runs no flow; the message says how to have one."""


@dataclass
class Stage:
    """One stage as it was served: figures by name, and by quantile or outcome where there are several."""

    pool: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    def get(self, name: str) -> float:
        """A figure; 0 where the flow does not say."""
        return self.figures.get(name, 0.0)

    @property
    def done(self) -> float:
        """Messages that it is done with."""
        outcomes = ("emitted", "filtered", "dead")
        return sum(self.get(f"stage_items_total/{one}") for one in outcomes)


@dataclass
class Seen:
    """One flow at one look."""

    messages: dict[str, int] = field(default_factory=dict)
    elapsed: float = 0.0
    stages: dict[str, Stage] = field(default_factory=lambda: defaultdict(Stage))


class Running(Value):
    """A program that serves its flows."""

    address: str
    pid: int
    flows: Mapping[str, Seen]


def command(*, address: str, every: float, once: bool, output: Output) -> int:
    """Look again and again, until interrupted or until the flow has ended; without an address at the only one there is."""
    if not address:
        running = find()
        if len(running) > 1:
            _list(running, output)
            return DONE
        address = running[0].address if running else _USUAL
    before: Mapping[str, Seen] = {}
    while True:
        try:
            flows = look(address)
        except NoFlowError:
            if not before:
                raise
            sys.stdout.write("\nnothing answers any more: the flow has ended\n")
            return DONE
        _show(flows, before, output, clear=not once and sys.stdout.isatty())
        if once:
            return DONE
        before = flows
        time.sleep(every)


def look(address: str) -> dict[str, Seen]:
    """The flows that are served at an address.

    Raises:
        NoFlowError: There are none.
    """
    url = address if address.startswith(("http://", "https://")) else f"http://{address}"
    url = url if url.rstrip("/").endswith("/metrics") else f"{url.rstrip('/')}/metrics"
    try:
        with urlopen(Request(url), timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http, as made above
            text = answer.read().decode()
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NoFlowError(f"no flow answers at {url}: {reason}; {_HINT}") from error
    flows = read(text)
    if not flows:
        raise NoFlowError(f"what answers at {url} runs no flow; {_HINT}")
    return flows


def find() -> list[Running]:
    """The programs of this user that run flows now, by address."""
    found = []
    for address, pid in sorted(TelemetryServer.running().items()):
        with suppress(NoFlowError):
            found.append(Running(address, pid, look(address)))
    return found


def read(text: str) -> dict[str, Seen]:
    """The flows in a text of metrics, each with its stages in their order."""
    flows: dict[str, Seen] = defaultdict(Seen)
    for name, given, value in _SAMPLE.findall(text):
        labels = {key: _unescaped(told) for key, told in _LABEL.findall(given)}
        seen = flows[labels.get("flow", "")]
        if "stage" in labels:
            _note(seen.stages[labels["stage"]], name, labels, float(value))
        elif name == "messages":
            seen.messages[labels["state"]] = int(float(value))
        elif name == "elapsed_seconds":
            seen.elapsed = float(value)
    for seen in flows.values():
        ordered = sorted(seen.stages.items(), key=lambda item: item[1].get("stage_place"))
        seen.stages = dict(ordered)
    return dict(flows)


def _note(stage: Stage, name: str, labels: Mapping[str, str], value: float) -> None:
    stage.pool = labels.get("pool", stage.pool)
    part = labels.get("quantile") or labels.get("outcome")
    stage.figures[f"{name}/{part}" if part else name] = value


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), text)


def _list(running: Sequence[Running], output: Output) -> None:
    rows = [
        {
            "address": one.address,
            "pid": str(one.pid),
            "flow": name,
            "elapsed": round(seen.elapsed),
            **seen.messages,
        }
        for one in running
        for name, seen in one.flows.items()
    ]
    if output is Output.JSON:
        print_json(rows)
        return
    sys.stdout.write(
        f"{len(running)} programs run flows; look at one with `penstock top ADDRESS`\n"
    )
    print_table(rows, _LISTED, empty="")


def _show(
    flows: Mapping[str, Seen], before: Mapping[str, Seen], output: Output, *, clear: bool
) -> None:
    if output is Output.JSON:
        told = [
            {
                "flow": name,
                **seen.messages,
                "elapsed": seen.elapsed,
                "stages": _rows(seen, before.get(name)),
            }
            for name, seen in flows.items()
        ]
        print_json(told)
        sys.stdout.flush()
        return
    sys.stdout.write(_CLEAR if clear else "")
    for name, seen in flows.items():
        states = ", ".join(
            f"{seen.messages.get(state, 0):,} {state.replace('_', ' ')}" for state in _STATES
        )
        sys.stdout.write(f"flow {name}, {seen.elapsed:,.0f}s: {states}\n")
        rows = [_for_people(row) for row in _rows(seen, before.get(name))]
        print_table(rows, _COLUMNS, empty="no stage yet")
    sys.stdout.flush()


def _rows(seen: Seen, before: Seen | None) -> list[dict[str, Any]]:
    """The figures of each stage, since the last look where there was one, else since the start."""
    rows = []
    for name, stage in seen.stages.items():
        then = before.stages.get(name, Stage()) if before is not None else Stage()
        seconds = max(seen.elapsed - (before.elapsed if before is not None else 0.0), 1e-9)
        busy = stage.get("stage_busy_seconds_total") - then.get("stage_busy_seconds_total")
        rows.append(
            {
                "stage": name,
                "pool": stage.pool,
                "workers": int(stage.get("stage_workers")),
                "queue_items": int(stage.get("channel_items")),
                "queue_bytes": int(stage.get("channel_bytes")),
                "capacity": int(stage.get("channel_capacity_items")),
                "per_s": round((stage.done - then.done) / seconds, 3),
                "busy": round(min(busy / seconds / max(stage.get("stage_workers"), 1), 1.0), 4),
                "blocked": stage.get("stage_blocked_ratio"),
                "p50": stage.get("stage_duration_seconds/0.5"),
                "p99": stage.get("stage_duration_seconds/0.99"),
                "wait_p99": stage.get("stage_wait_seconds/0.99"),
                "oldest": stage.get("oldest_item_age_seconds"),
                "failures": int(stage.get("failures_total")),
                "retries": int(stage.get("retries_total")),
                "dead": int(stage.get("stage_items_total/dead")),
            }
        )
    return rows


def _for_people(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(row)
    shown["pool"] = f"{row['pool']} x{row['workers']}"
    shown["queue"] = f"{row['queue_items']:,}/{row['capacity']:,}"
    shown["per_s"] = f"{row['per_s']:,.0f}"
    for share in ("busy", "blocked"):
        shown[share] = f"{row[share]:.0%}"
    for span in ("p50", "p99", "wait_p99", "oldest"):
        shown[span] = _seconds(row[span])
    return shown


def _seconds(value: float) -> str:
    for factor, unit in ((1e-3, "us"), (1.0, "ms")):
        if value < factor:
            return f"{value / factor * 1000:.3g}{unit}"
    return f"{value:.3g}s"
