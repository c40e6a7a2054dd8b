"""What was done, in numbers that add up."""

from collections.abc import Mapping

from msgspec import field

from penstock.base import Value
from penstock.ingest._cycle_result import CycleResult
from penstock.telemetry import Metrics


class Figures(Value):
    """What one pipeline has settled; every figure is of committed plans."""

    plans: int = 0
    """Plans committed."""
    files_processed: int = 0
    """Files whose rows are in the table."""
    records_processed: int = 0
    """Rows added to the table."""
    parquet_files_written: int = 0
    """Parquet files added to the table."""
    bytes_written: int = 0
    """Their size."""
    files_gone: int = 0
    """Files that were no longer there, or not as planned, when they were read."""
    files_returned: int = 0
    """Files that are pending again."""
    unknown_fields: int = 0
    """Keys in the rows that the schema does not have; they are in no column."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Dead letters by stage: `read` for whole files, `decode` for lines."""

    @classmethod
    def of(cls, result: CycleResult) -> "Figures":
        """In the words of users."""
        return cls(
            plans=result.plans,
            files_processed=result.files,
            records_processed=result.rows,
            parquet_files_written=result.parts,
            bytes_written=result.bytes,
            files_gone=result.gone_files,
            files_returned=result.returned_files,
            unknown_fields=result.unknown_fields,
            failures={"read": result.dead_files, "decode": result.dead_lines},
        )

    def __str__(self) -> str:
        """One line for people."""
        dead = sum(self.failures.values())
        return (
            f"{self.files_processed:,} files, {self.records_processed:,} rows in "
            f"{self.parquet_files_written:,} Parquet files ({self.bytes_written:,} bytes), {dead:,} dead letters"
        )


class FigureMetrics:
    """The same numbers as metrics of one pipeline. Belongs to the event loop."""

    def __init__(self, metrics: Metrics, pipeline: str) -> None:
        """Declare them; all start at 0, so that a rate can be taken from the first one."""
        of = {"pipeline": pipeline}
        files = metrics.counter(
            "penstock_files_processed_total", "Source files settled.", ("pipeline", "status")
        )
        failures = metrics.counter(
            "penstock_failures_total",
            "Dead letters, by the stage they died in.",
            ("pipeline", "stage"),
        )
        self._plans = metrics.counter(
            "penstock_plans_committed_total", "Plans committed.", ("pipeline",)
        ).labels(**of)
        self._rows = metrics.counter(
            "penstock_records_processed_total", "Rows added to the table.", ("pipeline",)
        ).labels(**of)
        self._parts = metrics.counter(
            "penstock_parquet_files_written_total",
            "Parquet files added to the table.",
            ("pipeline",),
        ).labels(**of)
        self._bytes = metrics.counter(
            "penstock_bytes_written_total",
            "Size of the Parquet files added to the table.",
            ("pipeline",),
        ).labels(**of)
        self._unknown_fields = metrics.counter(
            "penstock_unknown_fields_total",
            "Keys in the rows that the schema does not have.",
            ("pipeline",),
        ).labels(**of)
        self._files = {
            status: files.labels(**of, status=status)
            for status in ("committed", "dead", "gone", "returned")
        }
        self._failures = {stage: failures.labels(**of, stage=stage) for stage in ("read", "decode")}
        self._waiting = metrics.gauge(
            "penstock_files_waiting", "Files that are there and not planned yet.", ("pipeline",)
        ).labels(**of)
        self._changed = metrics.gauge(
            "penstock_files_changed", "Files that were taken and have new content.", ("pipeline",)
        ).labels(**of)

    def add(self, result: CycleResult) -> None:
        """Count what was settled."""
        self._plans.add(result.plans)
        self._rows.add(result.rows)
        self._parts.add(result.parts)
        self._bytes.add(result.bytes)
        self._unknown_fields.add(result.unknown_fields)
        self._files["committed"].add(result.files)
        self._files["dead"].add(result.dead_files)
        self._files["gone"].add(result.gone_files)
        self._files["returned"].add(result.returned_files)
        self._failures["read"].add(result.dead_files)
        self._failures["decode"].add(result.dead_lines)

    def look(self, *, waiting: int, changed: int) -> None:
        """Say what a look at the sources gave."""
        self._waiting.set(waiting)
        self._changed.set(changed)
