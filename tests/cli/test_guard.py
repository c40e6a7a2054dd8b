"""However a command ends, there is a code and a sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.base import ConfigError, MissingExtraError, PenstockError, RecordError
from penstock.cli import _guard
from penstock.storage import LocationError
from penstock.telemetry import AddressError
from penstock.topology import DamagedStateError, FailureLimitError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(()), 2),
        (MissingExtraError("pyarrow", "lake"), 2),
        (AddressError("nonsense", "no port"), 2),
        (LocationError("s3://", "no bucket"), 2),
        (FailureLimitError("three"), 3),
        (DamagedStateError("gone"), 5),
        (RecordError("damaged"), 5),
        (PenstockError("anything else"), 1),
    ],
)
def test_the_code_follows_from_the_error(error: PenstockError, code: int, module: Path) -> None:
    module.write_text("def command(error):\n    raise error")

    assert _guard.perform("planted", "command", {"error": error}) == code


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that holds a command, to be written by the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "planted", raising=False)
    return tmp_path / "planted.py"


def test_a_missing_extra_is_one_sentence(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module.write_text("raise ModuleNotFoundError('no', name='deltalake._internal')")

    assert _guard.perform("planted", "command", {}) == 2
    assert "pip install 'penstock[lake]'" in capsys.readouterr().err


def test_a_missing_module_that_no_extra_brings_is_not_explained_away(module: Path) -> None:
    module.write_text("raise ModuleNotFoundError('no', name='nonsense')")

    with pytest.raises(ModuleNotFoundError):
        _guard.perform("planted", "command", {})


def test_what_makes_loading_quick_is_over_when_a_command_runs(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command starts later must not find numpy with one thread."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    module.write_text(
        "import gc, os\n"
        "loading = (gc.isenabled(), os.environ.get('OPENBLAS_NUM_THREADS'))\n"
        "def command():\n"
        "    assert loading == (False, '1')\n"
        "    return gc.isenabled() and 'OPENBLAS_NUM_THREADS' not in os.environ\n"
    )

    assert _guard.perform("planted", "command", {}) is True


def test_a_command_runs_as_if_nothing_had_been_done_to_load_it_quickly(tmp_path: Path) -> None:
    """The program imports quickly from its first line on; what the command asks for itself it gets."""
    (tmp_path / "planted.py").write_text(
        "import gc, os, sys\n"
        "def command():\n"
        "    import numpy, pydantic.plugin._loader as loader\n"
        "    assert loader.__spec__ and gc.isenabled() and gc.get_freeze_count()\n"
        "    assert 'PYDANTIC_DISABLE_PLUGINS' not in os.environ\n"
        "    return 0\n"
    )
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from penstock.cli import _guard, _loading\n"
        "_loading.begin()\n"
        "sys.exit(_guard.perform('planted', 'command', {}))"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_user_s_choice_of_threads_for_numpy_stays(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    module.write_text("import os\ndef command():\n    return os.environ['OPENBLAS_NUM_THREADS']")

    assert _guard.perform("planted", "command", {}) == "3"


def test_an_interrupt_exits_with_130(module: Path) -> None:
    module.write_text("def command():\n    raise KeyboardInterrupt")

    assert _guard.perform("planted", "command", {}) == 130


def test_a_reader_that_has_had_enough_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(
        "def command():\n    print('line\\n' * 1_000_000)\n    return 0"
    )
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom penstock.cli import _guard\nsys.exit(_guard.perform('planted', 'command', {{}}))"

    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        errors = child.stderr.read()
        assert child.wait() == 0

    assert errors == b""


@pytest.mark.skipif(sys.platform != "linux", reason="other builds of Arrow have no jemalloc")
def test_what_ingestion_loads_takes_its_memory_from_jemalloc() -> None:
    """The libraries look at the setting while they are loaded, and never again."""
    program = (
        "from penstock.cli import _guard\n"
        "_guard._load('penstock.cli._run', 'command')\n"
        "import pyarrow as pa\n"
        "print(pa.default_memory_pool().backend_name)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout == "jemalloc\n"
