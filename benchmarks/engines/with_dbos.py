"""DBOS on SQLite, as it comes: workflows and steps are functions of this process."""

import json
import sys
import time

from dbos import DBOS, SetWorkflowID


@DBOS.step()
def nothing() -> None:
    """A step that does nothing."""


@DBOS.workflow()
def chain(length: int) -> None:
    """One step after the other."""
    for _ in range(length):
        nothing()


def main() -> None:
    """Measure and print."""
    folder, *sizes = sys.argv[1:]
    length, runs, each = map(int, sizes)
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{folder}/dbos.sqlite",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    chain(3)
    started = time.perf_counter()
    chain(length)
    step_s = (time.perf_counter() - started) / length
    started = time.perf_counter()
    handles = []
    for number in range(runs):
        with SetWorkflowID(f"rate-{number}"):
            handles.append(DBOS.start_workflow(chain, each))
    for handle in handles:
        handle.get_result()
    rate = runs * each / (time.perf_counter() - started)
    DBOS.destroy()
    print(json.dumps({"step_s": step_s, "rate": rate}))


if __name__ == "__main__":
    main()
