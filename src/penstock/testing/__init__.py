"""Fakes, fault plans and conformance suites, for users too."""

__all__: list[str] = []
