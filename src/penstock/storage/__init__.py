"""Objects by URL."""

__all__: list[str] = []
