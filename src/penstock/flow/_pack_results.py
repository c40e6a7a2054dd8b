"""What becomes of a pack that was worked on."""

from collections.abc import Coroutine
from typing import Any

from penstock.flow._channel import MemoryChannel, heed_cancellation
from penstock.flow._pack import Pack
from penstock.flow._work import NOTHING, Work


def finish_pack(work: Work, pack: Pack[Any], results: Any) -> Coroutine[Any, Any, None] | None:
    """The attempt succeeded with one result per message of a pack; await what is returned, if anything."""
    out = work.out
    if out is None:
        work.ledger.deliver_pack(pack.count)
        work.meter.emitted += pack.count
        return None
    kinds = {*map(type, results)}
    if not out.pack_size or not kinds.isdisjoint(NOTHING):
        return work.finish_many(pack.messages(), results)
    made = pack.become(list(results), kinds)
    sent = out.put_pack_nowait(made)
    work.meter.emitted += sent
    if sent == made.count:
        return None
    return _put_rest(work, made.part(sent, made.count), out)


async def _put_rest(work: Work, pack: Pack[Any], out: MemoryChannel[Any]) -> None:
    """Put this, waiting for room."""
    started = work.clock.monotonic()
    again = False
    while pack.count:
        heed_cancellation()
        await out.wait_room(again=again)
        again = True
        sent = out.put_pack_nowait(pack)
        work.meter.emitted += sent
        pack = pack.part(sent, pack.count)
    out.pass_room()
    work.meter.blocked += work.clock.monotonic() - started
