"""Files to tables, exactly once."""

__all__: list[str] = []
