"""What all tests share: the choice of what runs, the time that each room takes, patience with slow machines."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest
from hypothesis import HealthCheck, settings

# A machine that stalls is no finding: how long an example takes, or is drawn, depends on who else works here.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        action="append",
        default=[],
        metavar="NAME",
        help="a real server that is up; of the tests marked engine(name), only these run",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of servers that are not up."""
    up = set(config.getoption("--engine"))
    kept, left = [], []
    for item in items:
        needed = {name for marker in item.iter_markers("engine") for name in marker.args}
        (kept if needed <= up else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def room_of(nodeid: str) -> str:
    """The room that a test belongs to: the directory below tests/, or `house` for the top level."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts
    return parts[1] if len(parts) > 2 else "house"


def room_times(reports: Iterable[pytest.TestReport]) -> dict[str, tuple[int, float]]:
    """Tests and seconds per room, the slowest room first."""
    tests: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for report in reports:
        room = room_of(report.nodeid)
        tests[room] += report.when == "call"
        seconds[room] += report.duration
    return {room: (tests[room], spent) for room, spent in seconds.most_common()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for found in terminalreporter.stats.values()
        for report in found
        if isinstance(report, pytest.TestReport)
    ]
    if len(reports) < 100:
        return
    terminalreporter.section("minutes per room, over all workers")
    for room, (count, spent) in room_times(reports).items():
        terminalreporter.line(f"{room:<14}{spent / 60:6.2f} min {count:6} tests")


@dataclass(frozen=True)
class S3Server:
    """A real S3 server that `make engines` has started."""

    endpoint: str
    access_key: str
    secret_key: str

    @property
    def storage_options(self) -> dict[str, str]:
        """For deltalake, and for `storage_options` of a configuration."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }


@pytest.fixture(scope="session")
def s3_server() -> S3Server:
    """The server behind the tests marked `engine("s3")`."""
    names = ("PENSTOCK_S3_ENDPOINT", "PENSTOCK_S3_ACCESS_KEY", "PENSTOCK_S3_SECRET_KEY")
    return S3Server(*(set_by_make_engines(name) for name in names))


def set_by_make_engines(name: str) -> str:
    """A variable by which a test finds its server."""
    if name not in os.environ:
        pytest.fail(f"`make engines` sets {name}; use it to run this test")
    return os.environ[name]
