"""What can go wrong between the ends of a channel."""

from dataclasses import dataclass

from penstock.flow import FlowError


@dataclass(eq=False)
class ChannelLostError(FlowError):
    """Nobody keeps the channel, now or any more: what waited in it is gone. Join it anew once it is kept."""

    address: str
    why: str

    def __str__(self) -> str:
        return (
            f"no process keeps the channel {self.address} ({self.why}); start the program that keeps it, or put "
            "a board's bucket between the programs where messages must outlive them"
        )


@dataclass(eq=False)
class ChannelTakenError(FlowError):
    """The address cannot be used to keep a channel."""

    address: str
    why: str

    def __str__(self) -> str:
        return f"cannot keep a channel at {self.address}: {self.why}"


@dataclass(eq=False)
class PayloadError(FlowError):
    """A payload cannot travel between processes. One that was got went back, one attempt later."""

    channel: str
    message: str
    why: str

    def __str__(self) -> str:
        return (
            f"the payload of message {self.message!r} cannot travel through channel {self.channel!r} ({self.why}); "
            "define its class at the top level of a module that both programs can import, or send plain data"
        )
