"""versitygw: an S3 server over a directory, with conditional writes."""

import http.client
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.engines.engine import Engine, Program, Running
from tools.engines.server import CACHE, free_port, process
from tools.engines.supply import Supply

_VERSION = "v1.8.0"
_MODULE = f"github.com/versity/versitygw/cmd/versitygw@{_VERSION}"
ACCESS_KEY = "penstock"
SECRET_KEY = "penstock-secret"  # of a server that lives for one test run, on loopback


class VersityGateway(Engine):
    """Built from its Go module; a Debian machine without Go gets Debian's, when we are root."""

    @property
    def name(self) -> str:
        """Its tests ask for S3, not for this server."""
        return "s3"

    def obtain(self, supply: Supply) -> Program:
        """Build it once per version; it is one file."""
        program = CACHE / f"versitygw-{_VERSION}"
        if not program.exists():
            _build(supply, program)
        return [program]

    @contextmanager
    def run(self, program: Program, directory: Path) -> Iterator[Running]:
        """Serve a directory with one account."""
        address = f"127.0.0.1:{free_port()}"
        with self.serve(program, directory, address):
            yield Running(
                environment={
                    "PENSTOCK_S3_ENDPOINT": f"http://{address}",
                    "PENSTOCK_S3_ACCESS_KEY": ACCESS_KEY,
                    "PENSTOCK_S3_SECRET_KEY": SECRET_KEY,
                },
                about=f"versitygw {_VERSION} at http://{address}",
            )

    @contextmanager
    def serve(
        self, program: Program, directory: Path, address: str
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Serve what is in a directory, which may have been served before; yields the process."""
        for name in ("objects", "accounts"):
            (directory / name).mkdir(exist_ok=True)
        # Without accounts of its own it answers 404 instead of 403 for an unknown key.
        command: list[str | Path] = [*program, "--port", address, "--quiet", "--keep-alive"]
        command += ["--iam-dir", directory / "accounts", "posix", directory / "objects"]
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        log = directory / "versitygw.log"
        with process(command, log=log, environment=keys, ready=lambda: _answers(address)) as child:
            yield child


def _build(supply: Supply, program: Path) -> None:
    place = CACHE / "versitygw-build"
    settings = {"GOBIN": str(place), "CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
    go = supply.installed("go", package="golang")
    supply.run([go, "install", "-ldflags", "-s -w", _MODULE], environment=settings)
    (place / "versitygw").rename(program)


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True
