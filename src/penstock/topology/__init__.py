"""Many pipelines in one process."""

__all__: list[str] = []
