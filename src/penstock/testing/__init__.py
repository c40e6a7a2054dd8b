"""For tests of what is built on Penstock: fakes, generators and conformance suites, for users too.

Owns: a clock that tests move, sources and sinks in memory, the suite that every channel must pass.
Promises: a fake is never kinder than what it stands for; the same suite runs over both.
Does not: import a test framework.
"""

from penstock.testing._channel_conformance import ChannelConformance
from penstock.testing._clock import FakeClock
from penstock.testing._flow_fakes import CrashingSource, ListSink, ListSource

__all__ = [
    "ChannelConformance",
    "CrashingSource",
    "FakeClock",
    "ListSink",
    "ListSource",
]
