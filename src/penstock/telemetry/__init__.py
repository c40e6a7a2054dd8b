"""What the program says of itself: metrics, health, logs, progress."""

__all__: list[str] = []
