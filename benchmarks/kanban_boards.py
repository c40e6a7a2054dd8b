"""Whole boards: at rest, woken, with a million tokens, after a crash, and with large archives."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.bench_engine import MissingError, python_of
from benchmarks.harness import measure
from benchmarks.verdicts import Verdict, verdicts
from penstock.kanban import Bucket, Priority, Token, recover

_PENSTOCK = Path(sys.executable).with_name("penstock")
PEERS = ("huey", "luigi", "persist-queue", "watchfiles")
"""What is installed for the peers; nq and parallel are programs of the distribution."""

_FILTERS = 5
_REST_S = 20.0
_WAKINGS = 40
_ARCHIVES = 6
_FILES = 20
_LOOK_S = 0.0005
_PASSING = """\
from penstock.kanban import Filter


class Pass(Filter):
    def process(self, token):
        return token
"""
_WATCHFILES = """\
import sys
from pathlib import Path
from watchfiles import watch
for changes in watch(sys.argv[1]):
    for _, path in changes:
        Path(sys.argv[2], Path(path).name).touch()
"""
_BOARDS = {
    "decrypted while unpacked": (("extractor", "Extractor"), ("archiver", "Archiver")),
    "one filter per step": (
        ("decryptor", "Decryptor"),
        ("extractor", "Extractor"),
        ("archiver", "Archiver"),
    ),
}
"""The second makes the decrypted archive durable too: each byte goes to the disk twice."""
_ARGS = {"Extractor": "decrypt: true"}
"""Nothing to do for an archive that a filter before it has decrypted."""
_SHELL = """\
gpg --batch --quiet --homedir ../gnupg --pinentry-mode loopback --passphrase-file ../secret \
 --output {}.tar --decrypt {}.tar.gpg && mkdir {}.d && tar xf {}.tar -C {}.d \
 && mv {}.d ../stored/ && rm {}.tar {}.tar.gpg"""


def recovery(disk: Path, tokens: int) -> list[str]:
    """A worker died with so many tokens in hand; until all of them wait again."""
    with tempfile.TemporaryDirectory(dir=disk) as place:
        bucket = Bucket(Path(place, "1"), sync=False).prepare()
        held = Path(bucket.places.claimed, "dead")
        held.mkdir()
        (held / "alive").touch()
        for number in range(tokens):
            (held / f"{number}.json").write_bytes(Token(str(number)).encode())
        started = time.perf_counter()
        taken = recover(bucket)
        spent = time.perf_counter() - started
    if taken != tokens:
        raise SystemExit(f"expected {tokens} tokens, got {taken}")
    return verdicts([Verdict(f"recover {tokens:,} tokens after a crash, s", spent, 2)])


def large(disk: Path, tokens: int) -> list[str]:
    """`penstock kanban status` on so many tokens, by a hundredth of them.

    The tokens are names of one file: the status reads none of them.
    """
    few, many = (_status(disk, count) for count in (max(tokens // 100, 1), tokens))
    return verdicts(
        [
            Verdict(f"status of {tokens:,} tokens, s", many[0], 3),
            Verdict("its memory by that of a hundredth", many[1] / few[1], 1.1),
        ]
    )


def _status(disk: Path, tokens: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=disk) as place:
        root = Path(place)
        config = _board(root, [("first", "passing:Pass", 1)], more="  fan_out: true\n")
        bucket = Bucket(root / "pipeline/0", fan_out=True, sync=False).prepare()
        one = root / "one"
        one.write_bytes(Token("one").encode())
        for number in range(tokens):
            os.link(one, bucket.places.waiting(f"{number:07}", Priority.NORMAL))
        cost = measure([_PENSTOCK, "kanban", "status", config], root / "log")
        if f"{tokens}" not in (root / "log").read_text().replace(",", ""):
            raise SystemExit(f"the status does not show {tokens} tokens")
    return cost.wall_s, cost.peak_bytes


def idle(disk: Path) -> list[str]:
    """CPU time of a board that has nothing to do, and how soon it notices a token."""
    with tempfile.TemporaryDirectory(dir=disk) as place:
        root = Path(place)
        stages = [(f"f{number}", "passing:Pass", 1) for number in range(_FILTERS)]
        with _running(_board(root, stages), stages) as process:
            cpu = _at_rest(process)
            last = Bucket(root / f"pipeline/{_FILTERS - 1}", sync=False)
            woken = _woken(
                lambda name: last.put(Token(name)), root / f"pipeline/{_FILTERS}", ".json"
            )
    rows = [
        "| at rest | CPU-s a minute | median ms until a file is noticed |",
        "| --- | ---: | ---: |",
        f"| Penstock, {_FILTERS} filters | {cpu:.2f} | {1e3 * woken:.1f} |",
    ]
    try:
        cpu_peer, woken_peer = _watchfiles(python_of("kanban", PEERS), disk)
        rows.append(f"| watchfiles, one watcher | {cpu_peer:.2f} | {1e3 * woken_peer:.1f} |")
    except MissingError as error:
        rows.append(f"| watchfiles is missing: {error} | | |")
    found = [
        Verdict(f"idle board of {_FILTERS} filters, CPU-s a minute", cpu, 0.3),
        Verdict("from a token's arrival to the next bucket, median ms", 1e3 * woken, 20, digits=1),
    ]
    return [*rows, "", *verdicts(found)]


def _watchfiles(python: Path, disk: Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=disk) as place:
        watched, noticed = Path(place, "in"), Path(place, "out")
        watched.mkdir()
        noticed.mkdir()
        command = [str(python), "-c", _WATCHFILES, str(watched), str(noticed)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(1)
                cpu = _at_rest(process)
                return cpu, _woken(lambda name: (watched / name).touch(), noticed, "")
            finally:
                process.terminate()


def _at_rest(process: "subprocess.Popen[bytes]") -> float:
    time.sleep(1)
    before = _cpu_s(process.pid)
    time.sleep(_REST_S)
    return (_cpu_s(process.pid) - before) * 60 / _REST_S


def _cpu_s(pid: int) -> float:
    """User and system time so far of a process and its descendants."""
    ticks = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = (task / "children").read_text().split()
        ticks += sum(int(_cpu_s(int(child)) * os.sysconf("SC_CLK_TCK")) for child in children)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (ticks + int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _woken(put: Callable[[str], object], folder: Path, suffix: str) -> float:
    found = []
    for number in range(_WAKINGS):
        time.sleep(0.05)
        started = time.perf_counter()
        put(f"t{number}")
        _wait_for(folder / f"t{number}{suffix}")
        found.append(time.perf_counter() - started)
    return median(found)


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        if time.monotonic() > end:
            raise SystemExit(f"{path} did not come")
        time.sleep(_LOOK_S)


def _board(root: Path, stages: list[tuple[str, str, int]], more: str = "") -> Path:
    (root / "passing.py").write_text(_PASSING)
    for name in ("var", "secrets"):
        (root / name).mkdir()
    (root / "secrets/passphrase").write_text("correct horse\n")
    lines = [
        f"  - {{name: {name}, class: '{class_}', workers: {workers}, "
        f"args: {{{_ARGS.get(class_, '')}}}, "
        f"input_pipe: pipeline/{number}, output_pipe: pipeline/{number + 1}}}"
        for number, (name, class_, workers) in enumerate(stages)
    ]
    head = (
        "global:\n  processing_bucket: var/work\n  done_bucket: var/done\n"
        "  gpg_passphrase: ${file:secrets/passphrase}\n"
    )
    config = root / "penstock.kanban.yaml"
    config.write_text(head + more + "filters:\n" + "\n".join(lines) + "\n")
    return config


@contextmanager
def _running(
    config: Path, stages: list[tuple[str, str, int]]
) -> "Iterator[subprocess.Popen[bytes]]":
    """The board, once all its workers sit."""
    with (config.parent / "log").open("wb") as log:
        command = [str(_PENSTOCK), "kanban", "run", str(config)]
        with subprocess.Popen(command, stdout=log, stderr=log, cwd=config.parent) as process:
            try:
                for number, (_, _, workers) in enumerate(stages):
                    claimed = config.parent / f"pipeline/{number}/claimed"
                    _wait_for(claimed)
                    while len(list(claimed.glob("*/alive"))) < workers:
                        time.sleep(0.05)
                yield process
            finally:
                process.terminate()


def archives(disk: Path, size: int, rounds: int) -> list[str]:
    """Archives decrypted, unpacked and stored by two workers per stage, and by a script, two at a time."""
    tool = "parallel" if shutil.which("parallel") else "xargs"
    script = f"gpg and tar by {tool}, 2 at a time"
    works: dict[str, Callable[[Path, Path], float]] = {
        **{f"Penstock, {kind}": partial(_by_board, stages) for kind, stages in _BOARDS.items()},
        script: _by_shell,
    }
    spent: dict[str, list[float]] = {name: [] for name in works}
    with tempfile.TemporaryDirectory(dir=disk) as place:
        archive = _archive(Path(place), size)
        for number in range(rounds):
            for name in list(works)[:: 1 if number % 2 else -1]:
                spent[name].append(works[name](Path(place), archive))
    rate = _ARCHIVES * size / 1e6
    shares = {
        name: median(shell / own for shell, own in zip(spent[script], times, strict=True))
        for name, times in spent.items()
    }
    rows = [
        f"| {name} | {median(times):.1f} | {rate / median(times):.0f} | {shares[name]:.2f} |"
        for name, times in spent.items()
    ]
    first = next(iter(works))
    return [
        f"| {_ARCHIVES} archives of {size / 1e6:.0f} MB | s | MB/s | of the script |",
        "| --- | ---: | ---: | ---: |",
        *rows,
        "",
        *verdicts(
            [Verdict("decrypt + extract + store by the script", shares[first], 0.9, least=True)]
        ),
    ]


def _archive(place: Path, size: int) -> Path:
    """One encrypted tar file of pages that cannot be compressed."""
    (place / "secret").write_text("correct horse\n")
    (place / "gnupg").mkdir(mode=0o700)
    page = place / "page"
    page.write_bytes(os.urandom(size // _FILES))
    with tarfile.open(place / "a.tar", "w") as tar:
        for number in range(_FILES):
            tar.add(page, f"{number:04}.jp2")
    command = (
        "gpg --batch --quiet --homedir gnupg --pinentry-mode loopback --passphrase-file secret"
    )
    options = "--compress-algo none --cipher-algo AES256 --output a.tar.gpg --symmetric a.tar"
    subprocess.run(f"{command} {options}".split(), cwd=place, check=True)
    (place / "a.tar").unlink()
    return place / "a.tar.gpg"


def _by_board(filters: Sequence[tuple[str, str]], place: Path, archive: Path) -> float:
    """From putting the tokens until the last is at the end; Penstock makes each step durable."""
    root = place / "board"
    root.mkdir()
    stages = [(name, class_, 2) for name, class_ in filters]
    config = _board(root, stages)
    with _running(config, stages):
        for number in range(_ARCHIVES):
            os.link(archive, root / f"var/work/b{number}.tar.gpg")
        started = time.perf_counter()
        names = [f"b{number}" for number in range(_ARCHIVES)]
        Bucket(root / "pipeline/0").put_many([Token(name) for name in names])
        for name in names:
            _wait_for(root / f"pipeline/{len(stages)}/{name}.json")
        spent = time.perf_counter() - started
    shutil.rmtree(root)
    return spent


def _by_shell(place: Path, archive: Path) -> float:
    """The same by gpg and tar; one sync at the end makes it durable."""
    work, stored = place / "work", place / "stored"
    work.mkdir()
    stored.mkdir()
    names = [f"b{number}" for number in range(_ARCHIVES)]
    for name in names:
        os.link(archive, work / f"{name}.tar.gpg")
    by = (
        ["parallel", "-j2", "--"]
        if shutil.which("parallel")
        else ["xargs", "-P2", "-I{}", "sh", "-c"]
    )
    started = time.perf_counter()
    subprocess.run([*by, _SHELL], input="\n".join(names).encode(), cwd=work, check=True)
    subprocess.run(["sync", "-f", str(stored)], check=True)
    spent = time.perf_counter() - started
    for folder in (work, stored):
        shutil.rmtree(folder)
    return spent
