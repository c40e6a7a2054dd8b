"""For tests of what is built on Penstock: fakes, generators and conformance suites, for users too.

Owns: what stands in for the slow or the remote in tests, a clock that tests move, the suites that
adapters and decoders must pass; a seeded simulator of flows in virtual time; seeded schemas, rows, and
damaged lines.
Promises: a fake is never kinder than what it stands for; the same suite runs over both; equal seeds
give equal data.
Does not: import a test framework.
"""

from penstock.testing._channel_conformance import ChannelConformance
from penstock.testing._clock import FakeClock
from penstock.testing._decoder_conformance import DecoderConformance
from penstock.testing._engine_conformance import EngineConformance
from penstock.testing._executor_conformance import ExecutorConformance, Wanted
from penstock.testing._executors import FunctionExecutor
from penstock.testing._fault_plan import FaultPlan
from penstock.testing._flow_fakes import CrashingSource, ListSink, ListSource
from penstock.testing._line_generator import GeneratedLines, generate
from penstock.testing._line_mutator import generate_damaged, mutate
from penstock.testing._simulated_loop import SimulatedLoop
from penstock.testing._simulation import Simulation, SimulationError, simulate
from penstock.testing._sink_conformance import EventSinkConformance
from penstock.testing._source_conformance import SourceConformance
from penstock.testing._store_conformance import StoreConformance
from penstock.testing._table_conformance import TableConformance
from penstock.testing._tables import MemoryCommit, MemoryTable

__all__ = [
    "ChannelConformance",
    "CrashingSource",
    "DecoderConformance",
    "EngineConformance",
    "EventSinkConformance",
    "ExecutorConformance",
    "FakeClock",
    "FaultPlan",
    "FunctionExecutor",
    "GeneratedLines",
    "ListSink",
    "ListSource",
    "MemoryCommit",
    "MemoryTable",
    "SimulatedLoop",
    "Simulation",
    "SimulationError",
    "SourceConformance",
    "StoreConformance",
    "TableConformance",
    "Wanted",
    "generate",
    "generate_damaged",
    "mutate",
    "simulate",
]
