"""Boards: pipelines whose channels are directories and whose messages are token files.

Owns: tokens, buckets, claims, filters and their processes, the ledger, the board's own view.
Promises: a token is in exactly one bucket, whatever dies and whenever; the limit of a bucket is
never passed by those who put; a living worker is never robbed, a dead one's work is taken up once;
`ls` shows the truth.
Does not: hold data files in buckets, keep progress anywhere but in the tokens' places, or work
across hosts.
"""

from penstock.kanban._bucket import Bucket, Counts, Limit
from penstock.kanban._channel import BucketChannel
from penstock.kanban._errors import (
    BucketError,
    KanbanError,
    PermanentError,
    RetryableError,
    TokenError,
    TokenExistsError,
)
from penstock.kanban._filter import Filter, FilterContext, Later, Split
from penstock.kanban._filter_modify import Modifier
from penstock.kanban._flow_ends import BucketSink, BucketSource
from penstock.kanban._operator import Operator
from penstock.kanban._orchestrator import Orchestrator
from penstock.kanban._recovery import recover
from penstock.kanban._seat import Claim, Seat
from penstock.kanban._token import DataRef, Priority, Token

__all__ = [
    "Bucket",
    "BucketChannel",
    "BucketError",
    "BucketSink",
    "BucketSource",
    "Claim",
    "Counts",
    "DataRef",
    "Filter",
    "FilterContext",
    "KanbanError",
    "Later",
    "Limit",
    "Modifier",
    "Operator",
    "Orchestrator",
    "PermanentError",
    "Priority",
    "RetryableError",
    "Seat",
    "Split",
    "Token",
    "TokenError",
    "TokenExistsError",
    "recover",
]
