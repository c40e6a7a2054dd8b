"""Where the ledger lies under the table's root."""

from functools import lru_cache
from urllib.parse import quote

STATE_FOLDER = "_penstock"
"""Begins with an underscore, which keeps it out of every vacuum and every listing of rows."""


def plan_key(pipeline: str, seq: int) -> str:
    """Of one plan."""
    return f"{_home(pipeline)}/plans/{seq:020}.json"


def seal_key(pipeline: str, seq: int) -> str:
    """Of one plan's outcome."""
    return f"{_home(pipeline)}/results/{seq:020}.json"


def acknowledged_key(pipeline: str, lane: str) -> str:
    """Of the record of what was acknowledged in a lane."""
    return f"{_home(pipeline)}/acknowledged/{quote(lane, safe='')}.json"


def checkpoint_key(pipeline: str, seq: int) -> str:
    """Of the claim to the table's checkpoint after one plan."""
    return f"{_home(pipeline)}/checkpoints/{seq:020}"


def volume_key(pipeline: str, first: int) -> str:
    """Of the copies of settled plans and their outcomes, from one number on."""
    return f"{_home(pipeline)}/volumes/{first:020}.json.zst"


def live_lane(pipeline: str) -> str:
    """The lane of files as they arrive; others exist beside it for backfills and replays."""
    return f"penstock/{pipeline}"


@lru_cache(maxsize=256)
def _home(pipeline: str) -> str:
    return f"{STATE_FOLDER}/{quote(pipeline, safe='')}"
