"""What a program pays for before its first message."""

import subprocess
import sys

HEAVY = {
    "deltalake",
    "duckdb",
    "isal",
    "obstore",
    "prometheus_client",
    "pyarrow",
    "rich",
    "click",
}


def loaded(program: str) -> set[str]:
    """The modules that are there after `program`."""
    text = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_package_loads_nothing_until_a_name_is_used() -> None:
    """Its names are looked up when first used."""
    assert {name for name in loaded("import penstock") if name.startswith("penstock")} == {
        "penstock"
    }


def test_a_flow_loads_its_own_room_and_what_that_stands_on() -> None:
    """Not the rooms beside it and above it, nor a library that they need."""
    program = "from penstock import Flow\nFlow('light') | [] | print\nassert not (Flow('light') | [] | print).run().dead"

    names = loaded(program)

    rooms = {name.split(".")[1] for name in names if name.startswith("penstock.")}
    assert rooms == {"base", "files", "flow"}
    assert {name.partition(".")[0] for name in names} & HEAVY == set()
    assert names & {"multiprocessing", "penstock.flow._pool_process"} == set()
