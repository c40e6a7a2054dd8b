"""What carries runs out: the embedded engine, in this process and on one store.

Owns: claiming, leases, timers, recovery, the answers to what the kernel asks, results that are too
large for a row.
Promises: whichever process works on a store takes up what is open there; a worker that lost its
lease changes nothing and ends its job; stopping hands back what was not done.
Does not: decide what follows what, or know how the work of a step is done.
"""

from penstock.engines._config import EngineSettings
from penstock.engines._embedded import EmbeddedEngine
from penstock.engines._payload import Payloads

__all__ = ["EmbeddedEngine", "EngineSettings", "Payloads"]
