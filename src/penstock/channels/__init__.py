"""Channels that cross threads and processes, and their place at the ends of flows.

Owns: the channel between threads, the channel between processes of one machine, the port of channels
whose readers settle what they got, and a source and a sink over any of them.
Promises: at most `capacity` messages and bytes wait, but for what comes back; whoever waits for room or
for a message goes on when it is there, on whatever loop or in whatever thread; what was got and not
settled comes again when it is handed back, when its reader leaves, and when its reader's process dies;
no thread, descriptor, file or shared memory is left by a channel that was left.
Does not: keep messages when the process that keeps them dies (a board's bucket does), reach other
machines, or know flows but by the ports of sources and sinks.
"""

from penstock.channels._ends import ChannelSink, ChannelSource
from penstock.channels._errors import ChannelLostError, ChannelTakenError, PayloadError
from penstock.channels._port import SettlingChannel
from penstock.channels._process import ProcessChannel
from penstock.channels._store import ChannelStatistics
from penstock.channels._thread import ThreadChannel

__all__ = [
    "ChannelLostError",
    "ChannelSink",
    "ChannelSource",
    "ChannelStatistics",
    "ChannelTakenError",
    "PayloadError",
    "ProcessChannel",
    "SettlingChannel",
    "ThreadChannel",
]
