"""Other builds of the compiled decoder, for tests and the gate; users never need them.

Usage: python -m tools.native        build strictly and analyse; part of `make check`
"""

import hashlib
import importlib.util
import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "penstock" / "ingest" / "_native"
BUILDS = ROOT / "build" / "native"
MODULE = "_decoder_native"

_SANITIZED = (
    *("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-DPENSTOCK_EXACT", "-DPENSTOCK_FAULTS"),
)
VARIANTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "vector": ("-O2",),
        "plain": ("-O2", "-DPENSTOCK_PLAIN"),
        "faults": ("-O1", "-g", "-DPENSTOCK_FAULTS"),
        "sanitized": _SANITIZED,
        "sanitized-plain": (*_SANITIZED, "-DPENSTOCK_PLAIN"),
    }
)
"""What each build is compiled with, beside the strict flags."""

_STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-fvisibility=hidden", "-fPIC")


def machine() -> str:
    """What the compiler builds for, such as `x86_64`."""
    return platform.machine()


def compiler() -> list[str]:
    """The C compiler that Python itself was built with, or `$CC`."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def library(variant: str) -> Path:
    """The extension module of a build, compiled if no equal one was before.

    Raises:
        subprocess.CalledProcessError: It does not compile without warnings.
    """
    command = [*compiler(), *_STRICT, *VARIANTS[variant], "-shared", "-pthread"]
    command += [f"-I{sysconfig.get_path('include')}"]
    digest = hashlib.sha256(repr(command).encode())
    for file in sorted(SOURCES.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    target = BUILDS / f"{variant}-{digest.hexdigest()[:16]}" / f"{MODULE}.abi3.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{os.getpid()}.so")
        sources = [str(file) for file in sorted(SOURCES.glob("*.c"))]
        subprocess.run([*command, *sources, "-o", str(partial)], check=True)
        partial.replace(target)
    return target


def load(path: Path) -> Any:
    """The extension module in a file, apart from any other build of it."""
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected an extension module in {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(variant: str) -> Any:
    """The module of a variant."""
    return load(library(variant))


def sanitizer_environment() -> dict[str, str]:
    """For a Python that is to load a sanitized build: the libraries go in before everything else.

    libstdc++ is among them because pyarrow throws C++ exceptions, which the sanitizer intercepts.
    """
    preload = [
        subprocess.run(
            [*compiler(), f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    return {
        **os.environ,
        "LD_PRELOAD": ":".join(preload),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1",  # Python itself leaks
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }


def analyse() -> bool:
    """Whether gcc's static analysis finds nothing, file by file.

    A compiler without `-fanalyzer` is said so and not held against the code.
    """
    command = [*compiler(), *_STRICT, "-O1", f"-I{sysconfig.get_path('include')}"]
    probe = [*command, "-fanalyzer", "-fsyntax-only", "-x", "c", os.devnull]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        print(f"{command[0]} has no -fanalyzer; the C sources were compiled and not analysed")
        return True
    return all(
        subprocess.run(
            [*command, "-fanalyzer", "-c", str(file), "-o", os.devnull], check=False
        ).returncode
        == 0
        for file in sorted(SOURCES.glob("*.c"))
    )


if __name__ == "__main__":
    for strict in ("vector", "plain"):
        library(strict)
    sys.exit(0 if analyse() else 1)
