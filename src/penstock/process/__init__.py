"""Child processes: start, watch, limit, kill, restart."""

__all__: list[str] = []
