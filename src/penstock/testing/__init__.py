"""Fakes, fault plans and conformance suites, for users too.

Owns: what stands in for the slow or the remote in tests, and the suites that adapters must pass.
Promises: a fake is never kinder than what it stands for; the same suite runs over both.
"""

from penstock.testing._table_conformance import TableConformance
from penstock.testing._tables import MemoryCommit, MemoryTable

__all__ = ["MemoryCommit", "MemoryTable", "TableConformance"]
