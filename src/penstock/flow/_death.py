"""What a worker process died of."""

import signal
from dataclasses import dataclass, field

from penstock.base import format_size
from penstock.flow._control_groups import ControlGroups
from penstock.flow._errors import WorkerDiedError
from penstock.flow._worker_process import OUT_OF_MEMORY

_ALLOCATORS = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGTRAP)
"""By these native code ends that was refused memory."""


@dataclass
class Coroner:
    """Names the cause of death of the workers of one stage."""

    stage: str
    memory: int | None
    """The limit of each worker."""

    groups: ControlGroups = field(default_factory=ControlGroups)

    def __post_init__(self) -> None:
        self._kills = self.groups.oom_kills()

    def error(self, code: int) -> WorkerDiedError:
        """The error for a worker that ended with this code, below 0 for a signal."""
        how, memory = self._cause(code)
        return WorkerDiedError(self.stage, how, memory)

    def _cause(self, code: int) -> tuple[str, bool]:
        if code == OUT_OF_MEMORY:
            return f"out of memory{self._limit(' at its limit of ')}", True
        if code >= 0:
            return f"exit code {code}", False
        how = f"signal {_name(-code)}"
        if -code == signal.SIGKILL:
            killed = self._killed_for_memory()
            said = "out of memory: the kernel killed it" if killed else "perhaps out of memory"
            return f"{how}, {said}", killed
        if -code in _ALLOCATORS:
            return how + self._limit(", perhaps at its memory limit of "), False
        return how, False

    def _limit(self, words: str) -> str:
        return "" if self.memory is None else f"{words}{format_size(self.memory)}"

    def _killed_for_memory(self) -> bool:
        """Whether the kernel has killed in our control group since the last look."""
        before, self._kills = self._kills, self.groups.oom_kills()
        return self._kills > before


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
