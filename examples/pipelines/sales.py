"""What the pipeline of daily sales calls."""

from deltalake import DeltaTable


def require_day(table: str, day: str) -> dict[str, int]:
    """Say how many orders of a day there are; a day without any has not arrived yet."""
    rows = DeltaTable(table).to_pyarrow_table(columns=["day"], filters=[("day", "=", day)])
    if not rows.num_rows:
        raise ConnectionError(f"no orders of {day} yet")
    return {"orders": rows.num_rows}
