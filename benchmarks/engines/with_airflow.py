"""Airflow, a DAG carried out in this process by `dag.test`, its database in SQLite.

`AIRFLOW_HOME` is the folder. The DAG must stand in a file of its own below it, so this file is
copied there; the length of the chain comes from `CHAIN_LENGTH`.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

from airflow.sdk import DAG, chain, task


@task
def nothing() -> None:
    """A step that does nothing."""


def chain_of(length: int) -> DAG:
    """One step after the other."""
    with DAG("chain", schedule=None) as dag:
        steps = [nothing.override(task_id=f"step_{number}")() for number in range(length)]
        chain(*steps)
    return dag


CHAIN = chain_of(int(os.environ.get("CHAIN_LENGTH", "0")))


def main() -> None:
    """Measure and print."""
    folder, length, *_ = sys.argv[1:]
    os.environ["CHAIN_LENGTH"] = length
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], check=True, stdout=sys.stderr
    )
    copy = Path(folder, "dags", "chain.py")
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(__file__, copy)
    dag = runpy.run_path(str(copy), run_name="chain")["CHAIN"]
    started = time.perf_counter()
    ended = dag.test()
    spent = time.perf_counter() - started
    if ended.state != "success":
        raise SystemExit(f"expected success, got {ended.state}")
    print(json.dumps({"step_s": spent / int(length), "rate": None}))


if __name__ == "__main__":
    main()
