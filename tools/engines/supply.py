"""How programs get onto this machine: Debian's packages, Maven's artifacts, PyPI's packages, builds."""

import os
import re
import shutil
import subprocess
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.engines.server import CACHE, NotToBeHadError, end, last_lines

_MAVEN_GET = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get"
_MAVEN_CACHE = CACHE / "maven"
_MEMORY = Path("/proc/meminfo")
_JAVA_VERSION = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


class Supply:
    """Gets programs, until the time for that is up.

    A command that hangs is ended with all that it has started, when the time is up or Ctrl-C is
    pressed.
    """

    def __init__(self, *, within_s: float, least_s: float = 60.0) -> None:
        """From now on, for everything together; but each command has `least_s`, for it may be quick."""
        self._until = time.monotonic() + within_s
        self._least_s = least_s

    def installed(self, program: str, *, package: str) -> str:
        """The path of a program; on a Debian machine where we are root, installed if need be.

        Raises:
            NotToBeHadError: It is not there and cannot be installed.
        """
        if (found := shutil.which(program)) is None:
            self._install(package)
            found = shutil.which(program)
        if found is None:
            raise NotToBeHadError(f"it needs {program}; install {package}")
        return found

    def java(self, versions: range, *, package: str) -> Path:
        """The home of a Java whose version is one of these: the one in use, or any other there.

        Raises:
            NotToBeHadError: There is none, and Debian's package cannot be installed.
        """
        if (found := _java(versions)) is None:
            self._install(package)
            found = _java(versions)
        if found is None:
            wanted = f"{versions.start} to {versions.stop - 1}"
            raise NotToBeHadError(f"it needs Java {wanted}; install {package}")
        return found

    def artifact(self, coordinates: str) -> Path:
        """The file of `group:name:version:type` from Maven Central, without what it depends on.

        Raises:
            NotToBeHadError: There is no Maven, or it could not get the artifact.
        """
        group, name, version, kind = coordinates.split(":")
        place = _MAVEN_CACHE.joinpath(*group.split("."), name, version, f"{name}-{version}.{kind}")
        if not place.exists():
            maven = self.installed("mvn", package="maven")
            what = (f"-Dartifact={group}:{name}:{version}:{kind}", "-Dtransitive=false")
            self.run([maven, "-q", "-B", _MAVEN_GET, f"-Dmaven.repo.local={_MAVEN_CACHE}", *what])
        return place

    def python_with(self, requirement: str) -> Path:
        """A Python of its own that has one package, `name==version`, and what that needs.

        Raises:
            NotToBeHadError: The package could not be installed.
        """
        home = CACHE / requirement.replace("==", "-")
        python, ready = home / "bin" / "python", home / "ready"
        if not ready.exists():
            venv.create(home, clear=True, with_pip=True, symlinks=True)
            pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            self.run([python, *pip, requirement])
            ready.touch()
        return python

    def run(self, command: Sequence[str | Path], *, environment: Mapping[str, str] = {}) -> str:
        """What a command that gets or builds something wrote to its standard output and error.

        Raises:
            NotToBeHadError: It failed, or the time was up; the text ends with its last lines.
        """
        shown = f"`{' '.join(str(part) for part in command)}`"
        limit_s = max(self._until - time.monotonic(), self._least_s)
        CACHE.mkdir(exist_ok=True)
        with subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **environment},
            cwd=CACHE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as child:
            try:
                output, _ = child.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired as error:
                raise NotToBeHadError(f"{shown} was ended after {limit_s:.0f} s") from error
            finally:
                end(child, within_s=5)
        if child.returncode:
            raise NotToBeHadError(f"{shown} failed:\n{last_lines(output, 10)}")
        return output

    def _install(self, package: str) -> None:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            quiet = {"DEBIAN_FRONTEND": "noninteractive"}
            self.run(["apt-get", "update", "-q"], environment=quiet)
            install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", package]
            self.run(install, environment=quiet)


def enough_memory(least: int) -> None:
    """See that a server which needs so many bytes can have them; where the system says how many are left.

    Raises:
        NotToBeHadError: Fewer are available.
    """
    if not _MEMORY.exists():
        return
    found = re.search(r"^MemAvailable: *(\d+) kB", _MEMORY.read_text(), re.MULTILINE)
    available = int(found[1]) << 10 if found else least
    if available < least:
        raise NotToBeHadError(f"it needs {least >> 20} MiB of memory, {available >> 20} are left")


def _java(versions: range) -> Path | None:
    used = shutil.which("java")
    homes = [Path(used).resolve().parent.parent] if used else []
    for home in [*homes, *sorted(Path("/usr/lib/jvm").glob("*"))]:
        release = home / "release"
        found = _JAVA_VERSION.search(release.read_text()) if release.exists() else None
        if found and int(found[1]) in versions and (home / "bin" / "java").exists():
            return home
    return None
