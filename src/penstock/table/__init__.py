"""Table commits."""

__all__: list[str] = []
