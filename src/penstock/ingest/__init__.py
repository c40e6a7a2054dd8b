"""Files to tables, exactly once.

Owns: discovery, the ledger, and the protocol *plan, produce, seal, commit, acknowledge*.
Promises: a source file is in exactly one of pending, planned, committed, dead, gone; committed means
that its rows are in the table exactly once, whoever dies and whoever else works on the same pipeline.
Does not: start again from the beginning when table and ledger contradict each other; it stops.
"""

from penstock.ingest._checkpointer import Checkpointer
from penstock.ingest._committer import Committer
from penstock.ingest._cycle import Cycle, CycleResult, Steps
from penstock.ingest._discovery import Discovery, Found
from penstock.ingest._ledger import Ledger
from penstock.ingest._planner import PlanLimits, Planner, Planning, PlanTemplate
from penstock.ingest._producer import Acknowledger, Produced, Producer
from penstock.ingest._protocol_errors import (
    AccountingError,
    CommitBlockedError,
    DamagedStateError,
)
from penstock.ingest._sealer import Sealer
from penstock.ingest._standing import FileStatus, OpenPlan, Settlement

__all__ = [
    "AccountingError",
    "Acknowledger",
    "Checkpointer",
    "CommitBlockedError",
    "Committer",
    "Cycle",
    "CycleResult",
    "DamagedStateError",
    "Discovery",
    "FileStatus",
    "Found",
    "Ledger",
    "OpenPlan",
    "PlanLimits",
    "PlanTemplate",
    "Planner",
    "Planning",
    "Produced",
    "Producer",
    "Sealer",
    "Settlement",
    "Steps",
]
