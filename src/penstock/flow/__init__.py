"""Staged flows: messages go down, demand goes up."""

__all__: list[str] = []
