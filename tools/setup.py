"""Make `.venv` from requirements.lock. Run by `make setup` with the system's Python and nothing else."""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"


def main() -> None:
    """Bring `.venv` up to the lock file and install the project in place."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX"}
    }
    if not _works():
        print(f"making {VENV.name} with Python {sys.version.split()[0]}", flush=True)
        venv.create(VENV, clear=True, with_pip=True, symlinks=True)
    _install_uv(environment)
    environment |= _registry_settings(environment)
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--compile-bytecode"]
    uv += ["--quiet"]
    print("installing what requirements.lock names: the first time a minute or two", flush=True)
    _run([*uv, "--require-hashes", "-r", str(LOCK)], environment)
    _run([*uv, "--no-deps", "--reinstall-package", "penstock", "-e", str(ROOT)], environment)
    _run([str(PYTHON), "-m", "compileall", "-q", str(ROOT / "src")], environment)


def locked(lock: str, package: str) -> str:
    """The entry of one package, with its hashes, as it stands in the lock file.

    Raises:
        LookupError: The lock file has no such package.
    """
    entry: list[str] = []
    for line in lock.splitlines():
        if entry and not line.startswith(" "):
            break
        if entry or line.startswith(f"{package}=="):
            entry.append(line)
    if not entry:
        raise LookupError(f"requirements.lock has no {package!r}; run `make lock`")
    return "\n".join(entry) + "\n"


def _works() -> bool:
    """Whether `.venv` has a Python that starts; the one it was made from may be gone."""
    if not PYTHON.exists():
        return False
    asked = subprocess.run([PYTHON, "-m", "pip", "--version"], check=False, capture_output=True)
    return asked.returncode == 0


def _install_uv(environment: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        only_uv = Path(directory, "uv.txt")
        only_uv.write_text(locked(LOCK.read_text(encoding="utf-8"), "uv"), encoding="utf-8")
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", str(only_uv)], environment)


def _registry_settings(environment: dict[str, str]) -> dict[str, str]:
    """The registry and certificates that pip is set up with, in uv's words: uv does not read pip's."""
    asked = [str(PYTHON), "-m", "pip", "config", "list"]
    listed = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    settings = {}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2]] = value.strip("'\"")
    words = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "cert": "SSL_CERT_FILE",
    }
    return {
        name: settings[key]
        for key, name in words.items()
        if key in settings and name not in environment
    }


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, check=False, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(command)}")


if __name__ == "__main__":
    main()
