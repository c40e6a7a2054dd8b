"""Where to listen: `host:port`."""

from dataclasses import dataclass

from penstock.base import PenstockError


@dataclass(eq=False)
class AddressError(PenstockError):
    """The address cannot be listened on. Nothing was started; a caller stops with exit code 2."""

    exit_code = 2

    address: str
    reason: str

    def __str__(self) -> str:
        return (
            f"cannot listen on {self.address!r}: {self.reason}; "
            "give another address as host:port, with port 0 for any free one"
        )


def parse_address(address: str) -> tuple[str, int]:
    """Read `host:port`, `[::1]:port` or `:port` (all interfaces).

    Raises:
        AddressError: It is none of them.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise AddressError(address, "expected host:port with a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise AddressError(address, "an IPv6 host stands in brackets, such as [::1]:9090")
    return host, int(port)
