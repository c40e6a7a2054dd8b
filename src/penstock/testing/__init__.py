"""Fakes, fault plans and conformance suites, for users too.

Owns: `FakeClock`.
Promises: a fake keeps the contract of what it stands for; nothing here sleeps for real.
Does not: get imported by any other room.
"""

from penstock.testing._clock import FakeClock

__all__ = ["FakeClock"]
