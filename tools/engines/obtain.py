"""How servers get onto this machine: Debian's packages, Maven's artifacts, PyPI's packages."""

import os
import shutil
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

from tools.engines.server import CACHE, NotToBeHadError

_MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_MAVEN_CACHE = CACHE / "maven"
_LIMIT_S = 1200


def installed(program: str, *, package: str) -> str:
    """The path of a program; on a Debian machine where we are root, installed if need be.

    Raises:
        NotToBeHadError: It is not there and cannot be installed.
    """
    found = shutil.which(program)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", *step], check=False, env=quiet, stdin=subprocess.DEVNULL)
        found = shutil.which(program)
    if found is None:
        raise NotToBeHadError(f"it needs {program}, which is not installed; install {package}")
    return found


def fetch(artifact: str, directory: Path) -> None:
    """Copy `group:name:version[:type]` from Maven Central into a directory, without what it depends on.

    Raises:
        NotToBeHadError: There is no Maven, or it could not get the artifact.
    """
    maven = installed("mvn", package="maven")
    settings = [f"-Dartifact={artifact}", f"-DoutputDirectory={directory}"]
    run([maven, "-q", "-B", _MAVEN_COPY, f"-Dmaven.repo.local={_MAVEN_CACHE}", *settings])


def forget(group: str) -> None:
    """Remove a group's artifacts from Maven's cache, for they lie unpacked elsewhere now."""
    shutil.rmtree(_MAVEN_CACHE.joinpath(*group.split(".")), ignore_errors=True)


def python_with(requirement: str) -> Path:
    """A Python of its own that has one package, `name==version`, and what that needs; made once.

    Raises:
        NotToBeHadError: The package could not be installed.
    """
    home = CACHE / requirement.replace("==", "-")
    python, ready = home / "bin" / "python", home / "ready"
    if not ready.exists():
        venv.create(home, clear=True, with_pip=True, symlinks=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, requirement])
        ready.touch()
    return python


def run(command: Sequence[str | Path]) -> str:
    """Run a command that obtains something; what it wrote to its standard output and error.

    Raises:
        NotToBeHadError: It failed, or took longer than 20 minutes; the text ends with its last lines.
    """
    CACHE.mkdir(exist_ok=True)
    shown = f"`{' '.join(str(part) for part in command)}`"
    try:
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            cwd=CACHE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise NotToBeHadError(f"{shown} took longer than {_LIMIT_S} s") from error
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-10:])
        raise NotToBeHadError(f"{shown} failed:\n{tail}")
    return done.stdout
