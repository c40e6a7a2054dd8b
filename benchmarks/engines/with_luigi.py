"""Luigi with its scheduler in this process; a file says that a step was done, as is its way."""

import json
import sys
import time
from pathlib import Path

import luigi


class Nothing(luigi.Task):
    """A step that does nothing but say so."""

    folder = luigi.Parameter()
    number = luigi.IntParameter()
    first = luigi.IntParameter()

    def requires(self) -> list[luigi.Task]:
        """The step before."""
        if self.number == self.first:
            return []
        return [Nothing(folder=self.folder, number=self.number - 1, first=self.first)]

    def output(self) -> luigi.LocalTarget:
        """What says that it was done."""
        return luigi.LocalTarget(f"{self.folder}/{self.number}")

    def run(self) -> None:
        """Say so."""
        Path(self.output().path).touch()


def main() -> None:
    """Measure and print."""
    folder, length, *_ = sys.argv[1:]
    spent = []
    for first, last in ((0, 2), (1000, 999 + int(length))):
        started = time.perf_counter()
        wanted = [Nothing(folder=folder, number=last, first=first)]
        if not luigi.build(wanted, local_scheduler=True, log_level="ERROR"):
            raise SystemExit("expected all steps to succeed")
        spent.append(time.perf_counter() - started)
    print(json.dumps({"step_s": spent[-1] / int(length), "rate": None}))


if __name__ == "__main__":
    main()
