"""versitygw: an S3 server over a directory, with conditional writes."""

import http.client
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.engines.server import CACHE, Engine, NotToBeHadError, Running, free_port, process

_VERSION = "v1.8.0"
_MODULE = f"github.com/versity/versitygw/cmd/versitygw@{_VERSION}"
ACCESS_KEY = "penstock"
SECRET_KEY = "penstock-secret"  # of a server that lives for one test run, on loopback
_BUILD_S = 1200


class VersityGateway(Engine):
    """Built from its Go module; a Debian machine without Go gets Debian's, when we are root."""

    @property
    def name(self) -> str:
        """Its tests ask for S3, not for this server."""
        return "s3"

    def obtain(self) -> Path:
        """Build it once per version."""
        program = CACHE / f"versitygw-{_VERSION}"
        if not program.exists():
            _build(_go(), program)
        return program

    @contextmanager
    def run(self, program: Path, directory: Path) -> Iterator[Running]:
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
        self, program: Path, directory: Path, address: str
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Serve what is in a directory, which may have been served before; yields the process."""
        for name in ("objects", "accounts"):
            (directory / name).mkdir(exist_ok=True)
        # Without accounts of its own it answers 404 instead of 403 for an unknown key.
        command: list[str | Path] = [program, "--port", address, "--quiet", "--keep-alive"]
        command += ["--iam-dir", directory / "accounts", "posix", directory / "objects"]
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        log = directory / "versitygw.log"
        with process(command, log=log, environment=keys, ready=lambda: _answers(address)) as child:
            yield child


def _go() -> str:
    """The Go compiler, installed if need be."""
    found = shutil.which("go")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (
            ["update", "-q"],
            ["install", "-q", "-y", "--no-install-recommends", "golang"],
        ):
            subprocess.run(["apt-get", *step], check=False, env=quiet, stdin=subprocess.DEVNULL)
        found = shutil.which("go")
    if found is None:
        raise NotToBeHadError("it is built with Go, which is not installed; install golang")
    return found


def _build(go: str, program: Path) -> None:
    CACHE.mkdir(exist_ok=True)
    place = CACHE / "versitygw-build"
    settings = {"GOBIN": str(place), "CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
    command = [go, "install", "-ldflags", "-s -w", _MODULE]
    try:
        done = subprocess.run(
            command,
            check=False,
            env={**os.environ, **settings},
            cwd=CACHE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_BUILD_S,
        )
    except subprocess.TimeoutExpired as error:
        raise NotToBeHadError(f"its build took longer than {_BUILD_S} s") from error
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-10:])
        raise NotToBeHadError(f"`{' '.join(command)}` failed:\n{tail}")
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
