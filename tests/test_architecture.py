"""The rules of the house, applied to the code; and each rule seen to catch a planted fault."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from tools import architecture
from tools.reference_pages import door, rooms

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "penstock"
TESTS = ROOT / "tests"

INNER_IMPORTS: dict[str, set[str]] = {}
"""The imports inside functions that there must be: path below src/penstock, `module in function`."""


def listed(faults: Iterable[str]) -> str:
    """Nothing, or every fault on a line of its own."""
    return "\n".join(faults)


@pytest.mark.parametrize("room", rooms())
def test_a_room_has_one_documented_door(room: str) -> None:
    assert listed(architecture.door_faults(door(room))) == ""


@pytest.mark.parametrize("room", rooms())
def test_a_room_is_entered_through_its_door(room: str) -> None:
    faults = [
        fault
        for path in architecture.sources(SOURCE / room)
        for fault in architecture.side_entrances(path, room)
    ]
    assert listed([*faults, *architecture.exposed_files(SOURCE / room)]) == ""


def test_no_file_function_or_class_is_over_its_budget() -> None:
    budgets = {SOURCE: 500, ROOT / "tools": 500, ROOT / "benchmarks": 500, ROOT / "demo": 500}
    faults = [
        fault
        for folder, lines in {**budgets, TESTS: 600}.items()
        for path in architecture.sources(folder)
        for fault in architecture.oversized(path, lines)
    ]
    assert listed(faults) == ""


def test_imports_stand_at_the_top_of_the_file() -> None:
    """What a module needs can be read off its first lines, and fails when it is imported."""
    faults = [
        fault
        for path in architecture.sources(SOURCE)
        for fault in architecture.inner_imports(
            path, INNER_IMPORTS.get(str(path.relative_to(SOURCE)), set())
        )
    ]
    assert listed(faults) == ""


def test_tests_neither_patch_nor_sleep() -> None:
    faults = [
        fault for path in architecture.sources(TESTS) for fault in architecture.banned_calls(path)
    ]
    assert listed(faults) == ""


# What follows plants a fault for each rule.


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1\n" * 11, "11 lines, expected at most 10"),
        ("def long():\n" + "    x = 1\n" * 60, "function long has 61 lines"),
        ("async def long():\n" + "    x = 1\n" * 60, "function long has 61 lines"),
        ("class Long:\n" + "    x = 1\n" * 300, "class Long has 301 lines"),
    ],
    ids=["file", "function", "coroutine", "class"],
)
def test_what_is_over_its_budget_is_named(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(text)

    assert fault in listed(architecture.oversized(path, 10))


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import json",
        "def f():\n    from json import loads",
        "class C:\n    async def f(self):\n        if True:\n            import json",
    ],
)
def test_an_import_inside_a_function_is_named_unless_listed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(text)

    assert "import of json inside f" in listed(architecture.inner_imports(path))
    assert listed(architecture.inner_imports(path, {"json in f"})) == ""


@pytest.mark.parametrize(
    "text",
    [
        "from penstock.base._units import parse_size",
        "import penstock.base._units",
        "import penstock",
        "from penstock import Flow",
    ],
)
def test_a_side_entrance_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "_planted.py"
    path.write_text(text)

    assert "expected an import from a room's door" in listed(
        architecture.side_entrances(path, "flow")
    )


def test_a_room_may_use_its_own_files_and_other_doors(tmp_path: Path) -> None:
    path = tmp_path / "_planted.py"
    path.write_text("from penstock.base import Clock\nfrom penstock.flow._stage import Stage\n")

    assert listed(architecture.side_entrances(path, "flow")) == ""


def test_a_file_beside_the_door_is_named(tmp_path: Path) -> None:
    for name in ("__init__.py", "_stage.py", "stage.py"):
        (tmp_path / name).touch()

    (fault,) = architecture.exposed_files(tmp_path)

    assert "stage.py: expected a name with an underscore" in fault


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep",
        "from unittest import mock\nmock.patch('x')",
        "import unittest.mock\nunittest.mock.patch.object(x, 'y')",
        "from unittest.mock import patch",
        "def test(mocker):\n    mocker.patch('x')",
    ],
)
def test_patching_and_sleeping_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "test_planted.py"
    path.write_text(text)

    assert listed(architecture.banned_calls(path)) != ""


GOOD_DOOR = '''"""A room."""
class Base:
    """A port."""
    def work(self):
        """Work."""
class Thing(Base):
    """A thing."""
    def work(self): ...
def do():
    """Do."""
__all__ = ["Base", "Thing", "do"]
'''


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ('"""A room."""', "", "planted: expected a docstring"),
        ("__all__", "names", "expected __all__"),
        ('["Base", "Thing", "do"]', '["do", "Base"]', "to be sorted"),
        ('["Base", "Thing", "do"]', '["Base", "BASE"]', "to be sorted"),
        ('["Base", "Thing", "do"]', '["absent"]', "named in __all__, but not there"),
        (
            '["Base", "Thing", "do"]',
            '[f"n{n:02}" for n in range(26)]',
            "26 names, expected at most 25",
        ),
        ('    """A thing."""\n', "", "planted.Thing: expected a docstring"),
        ('        """Work."""', "        ...", "planted.Base.work: expected a docstring"),
        ('    """Do."""', "    ...", "planted.do: expected a docstring"),
    ],
)
def test_a_faulty_door_is_named(good: str, bad: str, fault: str) -> None:
    assert good in GOOD_DOOR
    assert listed(architecture.door_faults(make_door(GOOD_DOOR))) == ""

    assert fault in listed(architecture.door_faults(make_door(GOOD_DOOR.replace(good, bad))))


def make_door(text: str) -> ModuleType:
    """The module that `text` makes."""
    module = ModuleType("planted")
    exec(text, vars(module))
    return module


PLANNED = [
    "base",
    "telemetry",
    "process",
    "files",
    "flow",
    "storage",
    "workflow",
    "topology",
    "table",
    "store",
    "channels",
    "ingest",
    "kanban",
    "steps",
    "engines",
    "schedule",
    "events",
    "control",
    "api",
    "cli",
    "testing",
]

LAYERS, ACYCLIC = "Rooms are layered", "No cycles"
TESTING, HEAVY = "No room reaches testing", "Every heavyweight"


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with every planned room, and our contract."""
    root = tmp_path_factory.mktemp("skeleton")
    shutil.copy(ROOT / "pyproject.toml", root)
    for room in ("", *PLANNED):
        (root / "penstock" / room).mkdir(parents=True)
        (root / "penstock" / room / "__init__.py").touch()
        if room:
            (root / "penstock" / room / "_a.py").touch()
            (root / "penstock" / room / "_b.py").touch()
    return root


def lint(root: Path) -> str:
    """What the import contract says about the package below `root`."""
    linter = Path(sys.executable).with_name("lint-imports")
    command = [linter, "--no-cache", "--config", root / "pyproject.toml"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ("BROKEN" not in done.stdout), done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_contract_covers_every_planned_room(skeleton: Path) -> None:
    assert "4 kept, 0 broken" in lint(skeleton)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text", "contract"),
    [
        ("flow/_a.py", "import penstock.storage", LAYERS),
        ("ingest/_a.py", "import penstock.kanban", LAYERS),
        ("base/_a.py", "import penstock.flow", LAYERS),
        ("store/_a.py", "import penstock.control", LAYERS),
        ("ingest/_a.py", "import penstock.testing", TESTING),
        ("cli/_a.py", "import penstock.testing", TESTING),
        ("flow/_a.py", "import pyarrow", HEAVY),
        ("table/_a.py", "import obstore", HEAVY),
        ("topology/_a.py", "import rich", HEAVY),
        ("storage/_a.py", "import penstock.storage._b", ACYCLIC),
        ("parlour/_a.py", "", LAYERS),
    ],
    ids=[
        "neighbour",
        "neighbour-above",
        "upward",
        "upward-to-use-cases",
        "testing",
        "testing-from-cli",
        "pyarrow-in-flow",
        "obstore-in-table",
        "rich-in-topology",
        "cycle",
        "unlisted-room",
    ],
)
def test_the_contract_catches(
    skeleton: Path, tmp_path: Path, file: str, text: str, contract: str
) -> None:
    root = tmp_path / "planted"
    shutil.copytree(skeleton, root)
    planted = root / "penstock" / file
    planted.parent.mkdir(exist_ok=True)
    (planted.parent / "__init__.py").touch()
    planted.write_text(text)
    if contract == ACYCLIC:
        (planted.parent / "_b.py").write_text("import penstock.storage._a")

    verdicts = [line for line in lint(root).splitlines() if line.endswith("BROKEN")]

    assert [line for line in verdicts if line.startswith(contract)], verdicts
