"""What a person does with a board, from any terminal, whether or not it runs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.kanban._bookkeeper import rebuild
from penstock.kanban._bucket import Bucket
from penstock.kanban._catalogue import sample_of
from penstock.kanban._control import ask, running
from penstock.kanban._errors import NoSuchBucketError
from penstock.kanban._ledger import Ledger
from penstock.kanban._load import Board, find_config, load_board
from penstock.kanban._orchestrator import Orchestrator
from penstock.kanban._reconcile import Differences, reconcile
from penstock.kanban._repair import hold, release, retry
from penstock.kanban._report import Progress, progress_of
from penstock.kanban._seeding import add
from penstock.kanban._status import BoardStatus, board_status, find_token, list_tokens
from penstock.kanban._token import Token


class Operator:
    """One board, and all that can be asked of it; opening it checks its configuration."""

    def __init__(
        self, file: Path | None, environ: Mapping[str, str], *, here: Path | None = None
    ) -> None:
        """Read the configuration.

        Args:
            file: Where it is; by default `penstock.kanban.yaml` here, then the user's own.
            environ: For the references in it.
            here: Where to look for it; by default the current directory.

        Raises:
            ConfigError: All that is wrong with it, at once.
        """
        self._environ = environ
        place = file or find_config(here or Path.cwd(), environ)
        self.board: Board = load_board(place, environ)

    def orchestrator(
        self,
        *,
        sample: str = "",
        sample_file: Path | None = None,
        until_idle: bool = False,
        metrics_address: str | None = None,
    ) -> Orchestrator:
        """Get a run of the board ready.

        Args:
            sample: Ids, separated by commas, to seed instead of the catalogue.
            sample_file: The same, one per line.
            until_idle: End when no token can move any more.
            metrics_address: Serve `/metrics` here, as `host:port`; port 0 takes a free one.
        """
        ids = sample_of(sample, sample_file)
        return Orchestrator(
            self.board,
            environ=self._environ,
            sample=ids,
            until_idle=until_idle,
            metrics_address=metrics_address,
        )

    def status(self) -> tuple[BoardStatus, Sequence[Mapping[str, Any]]]:
        """The columns, and the workers where the board runs."""
        said = ask(self.board, "status") if running(self.board) else {"workers": [], "rates": {}}
        return board_status(self.board, said["rates"]), said["workers"]

    def command(self, command: str, name: str = "") -> Any:
        """Have the running board `start`, `stop` or `restart` a filter (or all), `reload`, or `shutdown`.

        Raises:
            BoardNotRunningError: Nobody runs it.
            CommandRefusedError: It says why it did not.
        """
        return ask(self.board, command, name=name)

    def tokens(self, pipe: str = "", part: str = "") -> Iterator[tuple[str, str, Token]]:
        """Tokens, with the pipe and the part in which they lie."""
        return list_tokens(self.board, pipe, part)

    def token(self, identity: str) -> tuple[str, str, Token]:
        """One token, with the pipe and the part in which it lies.

        Raises:
            NoSuchTokenError: No bucket has it.
        """
        return find_token(self.board, identity)

    def retry(self, ids: Sequence[str] = (), pipe: str = "") -> int:
        """Let errors and delayed tokens wait again, their attempts forgotten; returns how many."""
        chosen = frozenset(ids) or None
        return sum(retry(bucket, chosen) for bucket in self._buckets(pipe))

    def hold(self, ids: Sequence[str] = (), pipe: str = "") -> int:
        """Hold back tokens that wait or are delayed, until they are released; returns how many."""
        chosen = frozenset(ids) or None
        return sum(hold(bucket, chosen) for bucket in self._buckets(pipe))

    def release(self, ids: Sequence[str] = (), pipe: str = "", *, most: int = 0) -> int:
        """Let tokens that are held go on, the oldest first, at most so many in each bucket; returns how many."""
        chosen = frozenset(ids) or None
        return sum(release(bucket, chosen, most=most) for bucket in self._buckets(pipe))

    def add(self, tokens: Sequence[str | Token], pipe: str = "") -> int:
        """Let tokens in, at the start or at any pipe of the chain; returns how many."""
        return add(self.board, tokens, pipe)

    def _buckets(self, pipe: str) -> Iterator[Bucket]:
        if pipe and pipe not in self.board.pipes:
            there = ", ".join(self.board.pipes)
            raise NoSuchBucketError(pipe, str(self.board.file), there)
        for name in self.board.pipes:
            if pipe in {"", name}:
                yield self.board.bucket(name).prepare()

    def progress(self) -> Progress:
        """How far the board is."""
        return progress_of(self.board)

    def reconcile(
        self, names: Sequence[str] | None = None, *, checksums: bool = False, repair: bool = False
    ) -> Differences:
        """Compare what the store has, or a list of it, with what the ledger says; see `Differences`."""
        return reconcile(self.board, names, checksums=checksums, repair=repair)

    def ledger(self, *, anew: bool = False) -> Ledger:
        """The ledger, brought up to date from the buckets if `anew`."""
        ledger = Ledger(self.board.state / "ledger.sqlite")
        if anew:
            rebuild(self.board, ledger)
        return ledger
