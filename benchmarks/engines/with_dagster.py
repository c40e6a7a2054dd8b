"""Dagster, a job carried out in this process, its runs and events in SQLite."""

import json
import sys
import time

from dagster import DagsterInstance, GraphDefinition, In, Nothing, Out, op
from dagster import DependencyDefinition as Needs
from dagster import NodeInvocation as Step

QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


@op(ins={"before": In(Nothing)}, out=Out(Nothing))
def nothing() -> None:
    """A step that does nothing."""


@op(out=Out(Nothing))
def begin() -> None:
    """The first step, which does nothing either."""


def chain(length: int) -> GraphDefinition:
    """One step after the other."""
    needs: dict[Step, dict[str, Needs]] = {Step("begin", "step_0"): {}}
    for number in range(1, length):
        needs[Step("nothing", f"step_{number}")] = {"before": Needs(f"step_{number - 1}")}
    return GraphDefinition(f"chain_{length}", node_defs=[begin, nothing], dependencies=needs)


def main() -> None:
    """Measure and print."""
    folder, length = sys.argv[1], int(sys.argv[2])
    spent = []
    with DagsterInstance.local_temp(folder) as instance:
        for steps in (3, length):
            job = chain(steps).to_job()
            started = time.perf_counter()
            if not job.execute_in_process(run_config=QUIET, instance=instance).success:
                raise SystemExit("expected all steps to succeed")
            spent.append(time.perf_counter() - started)
    print(json.dumps({"step_s": spent[-1] / length, "rate": None}))


if __name__ == "__main__":
    main()
