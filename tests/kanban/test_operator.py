"""A board that runs, looked at and spoken with from outside."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from penstock.kanban import KanbanError, Operator, Seat
from penstock.kanban._control import hold
from penstock.kanban._ledger import LedgerError
from tests.kanban.boards import make_token

MODULE = """
import select
from penstock.kanban import Filter, PermanentError, RetryableError

class Work(Filter):
    def process(self, token):
        if token.id == "bad":
            raise PermanentError("it is bad")
        if token.id == "again" and token.attempts == 0:
            raise RetryableError("once more")
        if token.id == "hangs" and token.attempts == 0:
            select.select([], [], [])
        if token.id == "slow":
            (self.context.root / "slow.started").touch()
            select.select([], [], [], 0.5)
        return token.with_fields(worked=self.context.args.get("word", ""))
"""
CONFIG = """
global: {sync: false, all_books: books.csv}
filters:
  - {name: one, class: "operated:Work", input_pipe: p/0, output_pipe: p/1, timeout: 2s, retry: {maximum_attempts: 3, initial_interval: 10ms}}
  - {name: two, class: PythonFunction, input_pipe: p/1, output_pipe: p/2, args: {function: "operated_too:f"}}
"""


class Home:
    """A directory with a board in it, and the program that runs it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process: subprocess.Popen[bytes] | None = None
        (root / "operated.py").write_text(MODULE)
        (root / "operated_too.py").write_text("def f(token, context):\n    return token\n")
        (root / "books.csv").write_text("barcode,converted\ngood,\nbad,no\nold,yes\n")
        self.configure(CONFIG)

    def configure(self, text: str) -> None:
        (self.root / "penstock.kanban.yaml").write_text(text)

    @property
    def operator(self) -> Operator:
        return Operator(self.root / "penstock.kanban.yaml", os.environ)

    def run(self, *options: str) -> int:
        self.start(*options)
        assert self.process
        return self.process.wait(timeout=60)

    def start(self, *options: str) -> None:
        program = str(Path(sys.executable).with_name("penstock"))
        with (self.root / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [program, "kanban", "run", "--log-level", "error", *options],
                cwd=self.root, stdout=out, stderr=out,
            )  # fmt: skip

    def until(self, *expected: str, pipe: str = "p/2", part: str = "waiting") -> None:
        """Wait until these tokens are there."""
        pause = Event()
        for _ in range(1200):
            found = {token.id for _, _, token in self.operator.tokens(pipe, part)}
            if found >= set(expected):
                return
            pause.wait(0.05)
        raise AssertionError(f"expected {expected}, got {found}; {(self.root / 'out').read_text()}")

    def stop(self) -> int:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    if made.process and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.mark.slow
@pytest.mark.case("b13")
@pytest.mark.case("b10")
def test_a_board_works_off_what_is_available_and_notes_it(home: Home) -> None:
    """The ledger knows without anybody asking; what was converted is not taken again."""
    assert home.run("--until-idle") == 1

    status, _ = home.operator.status()
    assert (status.done, status.errors, status.open) == (1, 1, 0)
    states = {item.barcode: (item.state, item.reason) for item in home.operator.ledger().items()}
    assert states == {"good": ("completed", ""), "bad": ("failed", "it is bad")}
    pipe, part, token = home.operator.token("good")
    assert (pipe, part) == ("p/2", "waiting")
    assert [visit.stage for visit in token.history] == ["one", "two"]


@pytest.mark.slow
@pytest.mark.case("b08")
def test_a_board_can_be_led_while_it_runs(home: Home) -> None:
    """A filter that died is started again, and a reload does what it says."""
    home.start("--sample", "again,hangs")
    home.until("again")
    assert home.operator.command("stop", "one") == ["one"]
    assert home.operator.add(["later", "later"]) == 1
    assert home.operator.add(["in-the-middle"], "p/1") == 1
    home.until("in-the-middle")
    assert [t.id for _, _, t in home.operator.tokens("p/0", "waiting")].count("later") == 1
    home.configure(
        CONFIG.replace("timeout: 2s", "timeout: 2s, args: {word: new}").replace(
            'class: "operated:Work"', 'class: "operated:Lax"'
        )
    )
    (home.root / "operated.py").write_text(
        MODULE + "\nfrom penstock.kanban._filter import Arguments\n"
        "class LaxArguments(Arguments):\n    word: str = ''\nclass Lax(Work):\n    arguments = LaxArguments\n"
    )
    assert home.operator.command("reload")["changed"] == ["one"]
    home.until("later", "hangs")
    _, _, token = home.operator.token("later")
    assert token.fields == {"worked": "new"}
    _, workers = home.operator.status()
    assert {worker["filter"] for worker in workers} == {"one", "two"}
    with pytest.raises(KanbanError, match="no filter is named 'three'"):
        home.operator.command("stop", "three")
    assert home.stop() == 0

    crashes = [
        v.reason
        for _, _, t in home.operator.tokens("p/2")
        for v in t.history
        if t.id == "hangs" and v.result == "crash"
    ]
    assert crashes == ["it took longer than the filter's timeout, and the worker was killed"]
    with pytest.raises(KanbanError, match="no orchestrator runs the board"):
        home.operator.command("reload")


@pytest.mark.slow
def test_a_stage_is_inserted_into_a_running_board(home: Home) -> None:
    """A directory and a filter more; what did not change runs on."""
    home.start("--sample", "before")
    home.until("before")
    workers = {worker["worker"] for worker in home.operator.status()[1]}
    inserted = CONFIG.replace("output_pipe: p/1,", "output_pipe: p/new,") + (
        '  - {name: new, class: "operated:Work", input_pipe: p/new, output_pipe: p/1}\n'
    )
    home.configure(inserted)

    assert home.operator.command("reload") == {"changed": ["one"], "added": ["new"]}
    home.operator.add(["after"])
    home.until("before", "after")

    stages = {t.id: [visit.stage for visit in t.history] for _, _, t in home.operator.tokens("p/2")}
    assert stages == {"before": ["one", "two"], "after": ["one", "new", "two"]}
    kept = workers & {worker["worker"] for worker in home.operator.status()[1]}
    assert {name.partition("-")[0] for name in kept} == {"two"}
    rows = {column.pipe: column for column in home.operator.status()[0].columns}
    assert rows["p/0"].per_minute is not None
    assert home.stop() == 0


@pytest.mark.slow
@pytest.mark.case("b08")
@pytest.mark.parametrize(
    ("options", "number", "code"),
    [
        ([], signal.SIGTERM, 0),
        ([], signal.SIGINT, 0),
        (["--until-idle"], signal.SIGTERM, 143),
        (["--until-idle"], signal.SIGINT, 130),
        (["--until-idle"], signal.SIGQUIT, 131),
    ],
)
def test_a_stop_lets_the_token_in_hand_be_finished(
    home: Home, options: list[str], number: int, code: int
) -> None:
    """However long it takes within `drain`; the exit code says whether the run was to have an end of its own."""
    home.configure(CONFIG.replace("timeout: 2s", "timeout: 60s"))
    home.start("--sample", "slow", *options)
    assert home.process
    pause = Event()
    while not (home.root / "slow.started").exists():
        pause.wait(0.02)

    home.process.send_signal(number)
    assert home.process.wait(timeout=60) == code

    pipe, part, token = home.operator.token("slow")
    assert (pipe, part) == ("p/1", "waiting")
    assert [visit.result for visit in token.history] == ["done"]


def test_two_cannot_run_one_board(home: Home) -> None:
    descriptor = hold(home.operator.board)
    try:
        with pytest.raises(KanbanError, match="is run by another process"):
            hold(home.operator.board)
    finally:
        os.close(descriptor)


@pytest.mark.case("b09")
def test_the_ledger_goes_out_and_in_and_is_made_anew(home: Home) -> None:
    """A change is one transaction, and a bad row changes nothing."""
    operator = home.operator
    for pipe in operator.board.pipes:
        operator.board.bucket(pipe).prepare()
    operator.board.bucket("p/2").put(make_token("done", fields={"size": 9}))
    operator.board.bucket("p/0").put(make_token("open"))

    text = operator.ledger(anew=True).to_csv()
    (home.root / ".penstock" / "ledger.sqlite").unlink()
    assert operator.ledger().counts() == {}
    with pytest.raises(LedgerError, match="line 4 is no item"):
        operator.ledger().from_csv(text + "x,completed,,,,many,0,\n")
    assert operator.ledger().counts() == {}

    assert operator.ledger().from_csv(text) == 2
    assert operator.ledger().to_csv() == text
    assert operator.ledger(anew=True).counts() == {"chosen": 1, "completed": 1}


@pytest.mark.case("b10")
def test_store_and_ledger_are_reconciled_each_id_once(home: Home) -> None:
    """However often the list names it."""
    operator = home.operator
    for pipe in operator.board.pipes:
        operator.board.bucket(pipe).prepare()
    operator.board.bucket("p/2").put(make_token("both"))
    operator.board.bucket("p/0").put(make_token("on-its-way"))
    ledger = operator.ledger()
    ledger.from_csv("barcode,state\nlost,completed\n")

    found = operator.reconcile(["both", "stray", "stray"], repair=True)

    assert (found.missing, found.extra) == (("lost",), ("stray",))
    assert {i.barcode: i.state for i in ledger.items()} == {
        "both": "completed", "stray": "completed", "lost": "available", "on-its-way": "chosen",
    }  # fmt: skip
    again = operator.reconcile(["both", "stray"], repair=True)
    assert (again.missing, again.extra) == ((), ())


def test_errors_are_retried_by_name_or_all(home: Home) -> None:
    operator = home.operator
    bucket = operator.board.bucket("p/0").prepare()
    bucket.put_many([make_token(n) for n in range(3)])
    with Seat(bucket, "w") as seat:
        for claim in seat.claim(3):
            seat.fail(claim, "bad")

    assert operator.retry(["1"]) == 1
    assert operator.retry() == 2
    with pytest.raises(KanbanError, match="no bucket"):
        operator.token("absent")
