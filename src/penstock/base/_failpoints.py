"""Named places where a test may make the program die, fail or wait."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock

from penstock.base._errors import PenstockError

_WAIT = re.compile(r"wait:\d+(\.\d+)?")

Action = Callable[[str], None]
"""Called with the name of the point, in the thread that crosses it."""


class FailpointError(PenstockError):
    """An armed failpoint was crossed; stands for whatever may go wrong there."""


class Failpoints:
    """Does nothing unless filled; passed at construction, never looked up.

    A program that can be killed anywhere names the places that matter and crosses them. Safe to
    cross from many threads.

    >>> points = Failpoints({("commit.before", 2): print})
    >>> points.cross("commit.before")
    >>> points.cross("commit.before")
    commit.before
    """

    def __init__(self, actions: Mapping[tuple[str, int], Action] | None = None) -> None:
        """Arm the points.

        Args:
            actions: What to do at the n-th crossing (from 1) of a named point; number 0 stands for
                every crossing, name `*` for crossings of any point, counted together.
        """
        self._actions = dict(actions or {})
        self._crossings: Counter[str] = Counter()
        self._lock = Lock()

    def cross(self, point: str) -> None:
        """Say that `point` has been reached."""
        if not self._actions:
            return
        with self._lock:
            self._crossings[point] += 1
            self._crossings["*"] += 1
            reached = [
                (point, self._crossings[point]),
                ("*", self._crossings["*"]),
                (point, 0),
                ("*", 0),
            ]
        for place in reached:
            action = self._actions.get(place)
            if action is not None:
                action(point)

    @property
    def crossings(self) -> Mapping[str, int]:
        """How often each point was crossed while anything was armed."""
        with self._lock:
            return dict(self._crossings)

    @classmethod
    def parse(cls, text: str) -> "Failpoints":
        """Read `point@n=action`, separated by commas: action is `kill`, `error` or `wait:SECONDS`.

        `*@17=kill` kills at the 17th crossing of any point. An empty text arms nothing.

        Raises:
            ValueError: The text does not follow this form.
        """
        actions: dict[tuple[str, int], Action] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            place, equals, verb = entry.partition("=")
            point, _, number = place.partition("@")
            if not (equals and point and (number or "1").isdecimal()):
                raise ValueError(f"expected point@n=kill|error|wait:SECONDS, got {entry!r}")
            actions[point, int(number or "1")] = _action(verb)
        return cls(actions)


def _action(verb: str) -> Action:
    if verb == "kill":
        return _kill
    if verb == "error":
        return _fail
    if _WAIT.fullmatch(verb):
        seconds = float(verb.removeprefix("wait:"))
        return lambda _: time.sleep(seconds)
    raise ValueError(f"expected kill, error or wait:SECONDS, got {verb!r}")


def _kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(point: str) -> None:
    raise FailpointError(f"failpoint {point}")
