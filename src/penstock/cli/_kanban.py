"""`penstock kanban ...`: run a board, look at it, and speak with it while it runs."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import asdict

from penstock.cli._exits import DONE, FAILED, SIGNALLED
from penstock.cli._output import LogLevel, Output
from penstock.cli._printing import print_json, print_table
from penstock.kanban import (
    DataRef,
    Operator,
    Orchestrator,
    Priority,
    Token,
    TokenError,
)
from penstock.telemetry import setup_logs

_COLUMNS = (
    "bucket", "filter", "waiting", "claimed", "delayed", "held", "errors", "limit", "per_minute", "oldest",
)  # fmt: skip
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_CLEAR = "\x1b[H\x1b[2J"


def run(
    *,
    config: Path | None,
    sample: str,
    sample_file: Path | None,
    until_idle: bool,
    metrics_address: str | None,
    log_level: LogLevel,
    output: Output,
) -> int:
    """Run the board until it is idle, if so asked, or until a signal."""
    operator = Operator(config, os.environ)
    with setup_logs(level=log_level):
        orchestrator = operator.orchestrator(
            sample=sample,
            sample_file=sample_file,
            until_idle=until_idle,
            metrics_address=metrics_address,
        )
        code = asyncio.run(_run(orchestrator, until_idle=until_idle))
    _print_status(operator, output)
    return code


async def _run(orchestrator: Orchestrator, *, until_idle: bool) -> int:
    loop = asyncio.get_running_loop()
    heard: list[int] = []

    def hear(number: int) -> None:
        heard.append(number)
        orchestrator.stop()

    for number in _SIGNALS:
        loop.add_signal_handler(number, hear, number)
    try:
        report = await orchestrator.run()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    if not heard or report.late or report.finished:
        return report.exit_code
    return SIGNALLED + heard[0] if until_idle else DONE


def status(*, config: Path | None, output: Output) -> int:
    """Print the columns of the board, and its workers if it runs."""
    operator = Operator(config, os.environ)
    _print_status(operator, output)
    return DONE


def _print_status(operator: Operator, output: Output) -> None:
    found, workers = operator.status()
    rows = [
        {
            "bucket": column.pipe,
            "filter": column.filter,
            **{key: value for key, value in asdict(column.counts).items() if key != "oldest"},
            "limit": column.limit or None,
            "per_minute": None if column.per_minute is None else round(column.per_minute, 1),
            "oldest": f"{column.oldest_s:,.0f} s" if column.oldest_s and column.filter else None,
        }
        for column in found.columns
    ]
    if output is Output.JSON:
        print_json({"columns": rows, "workers": list(workers)})
        return
    print_table(
        rows, _COLUMNS, empty="the board has no bucket yet; `penstock kanban run` makes them"
    )
    sys.stdout.write(f"\n{found.open:,} open, {found.done:,} done, {found.errors:,} in errors\n")
    if workers:
        sys.stdout.write("\n")
        columns = ("filter", "worker", "state", "pid", "restarts", "last")
        print_table(list(workers), columns, empty="")
    for column in found.columns:
        if column.foreign:
            sys.stderr.write(
                f"penstock: {column.pipe} holds what is no token: {', '.join(column.foreign)}\n"
            )


def list_(*, config: Path | None, bucket: str, part: str, output: Output) -> int:
    """Print tokens."""
    rows = [
        {
            "token": token.id,
            "bucket": pipe,
            "part": word,
            "attempts": token.attempts,
            "bytes": token.size,
            "reason": token.reason or (token.history[-1].reason if token.history else ""),
        }
        for pipe, word, token in Operator(config, os.environ).tokens(bucket, part)
    ]
    if output is Output.JSON:
        print_json(rows)
    else:
        print_table(
            rows,
            ("token", "bucket", "part", "attempts", "bytes", "reason"),
            empty="there are no tokens",
        )
    return DONE


def show(*, token: str, config: Path | None, output: Output) -> int:
    """Print the life of one token."""
    pipe, word, found = Operator(config, os.environ).token(token)
    history = [asdict(visit) for visit in found.history]
    if output is Output.JSON:
        print_json(
            {"token": found.id, "bucket": pipe, "part": word, "attempts": found.attempts, "reason": found.reason,
             "data": found.data, "fields": found.fields, "history": history}
        )  # fmt: skip
        return DONE
    sys.stdout.write(f"{found.id} is {word} in {pipe}, failed attempts there: {found.attempts}\n")
    for reference in found.data:
        sys.stdout.write(f"data  {reference.path}  {reference.size:,} bytes  {reference.sha256}\n")
    if found.reason:
        sys.stdout.write(f"reason  {found.reason}\n")
    print_table(
        history,
        ("stage", "worker", "start", "end", "result", "reason"),
        empty="nothing has happened to it yet",
    )
    return DONE


def _tell(command: str, *, config: Path | None, output: Output, name: str = "") -> int:
    """Have the running board do something, with all filters where none is named."""
    answer = Operator(config, os.environ).command(command, name)
    if output is Output.JSON:
        print_json(answer)
    else:
        sys.stdout.write(f"{command}: {answer}\n")
    return DONE


start = partial(_tell, "start")
stop = partial(_tell, "stop")
restart = partial(_tell, "restart")
reload = partial(_tell, "reload")
shutdown = partial(_tell, "shutdown")


def retry(*, tokens: Sequence[str], bucket: str, config: Path | None, output: Output) -> int:
    """Let errors try again."""
    return _print_count("retried", Operator(config, os.environ).retry(tokens, bucket), output)


def hold(*, tokens: Sequence[str], bucket: str, config: Path | None, output: Output) -> int:
    """Hold tokens back."""
    return _print_count("held", Operator(config, os.environ).hold(tokens, bucket), output)


def release(
    *, tokens: Sequence[str], bucket: str, most: int, config: Path | None, output: Output
) -> int:
    """Let held tokens go on."""
    count = Operator(config, os.environ).release(tokens, bucket, most=most)
    return _print_count("released", count, output)


def add(
    *,
    tokens: Sequence[str],
    bucket: str,
    priority: str,
    data: Sequence[str],
    documents: Path | None,
    config: Path | None,
    output: Output,
) -> int:
    """Let tokens in."""
    operator = Operator(config, os.environ)
    if data and len(tokens) != 1:
        raise TokenError(", ".join(tokens) or "no token", "`--data` goes with exactly one token")
    if priority not in set(Priority):
        raise TokenError(f"priority {priority!r}", "expected high, normal or low")
    given = [
        Token(
            token,
            priority=Priority(priority),
            data=tuple(DataRef(path, 0) for path in data),
        )
        for token in tokens
    ]
    if documents is not None:
        lines = documents.read_text(encoding="utf-8").splitlines()
        given += [
            Token.parse(line, place=f"{documents}:{n}")
            for n, line in enumerate(lines, 1)
            if line.strip()
        ]
    return _print_count("added", operator.add(given, bucket), output)


def _print_count(word: str, count: int, output: Output) -> int:
    if output is Output.JSON:
        print_json({word: count})
    else:
        sys.stdout.write(f"{count} {'token' if count == 1 else 'tokens'} {word}\n")
    return DONE


def report(*, config: Path | None, output: Output) -> int:
    """Print how far the board is."""
    progress = Operator(config, os.environ).progress()
    if output is Output.JSON:
        print_json(progress)
    else:
        sys.stdout.write(progress.markdown())
    return DONE


def reconcile(
    *, names: Path | None, checksums: bool, repair: bool, config: Path | None, output: Output
) -> int:
    """Compare what the store has, or a list of it, with the ledger."""
    listed = None
    if names is not None:
        lines = names.read_text(encoding="utf-8").splitlines()
        listed = [line.strip() for line in lines if line.strip()]
    operator = Operator(config, os.environ)
    found = operator.reconcile(listed, checksums=checksums, repair=repair)
    rows = [{"token": i, "difference": "missing in the store"} for i in found.missing]
    rows += [{"token": i, "difference": "in the store alone"} for i in found.extra]
    rows += [{"token": i, "difference": said} for i, said in found.differing.items()]
    if output is Output.JSON:
        print_json(found)
    else:
        print_table(rows, ("token", "difference"), empty="store and ledger agree")
    return FAILED if rows and not repair else DONE


def ledger(*, take: Path | None, rebuild: bool, config: Path | None, output: Output) -> int:
    """Print the ledger as CSV, or take over one."""
    book = Operator(config, os.environ).ledger(anew=rebuild)
    if take is not None:
        return _print_count("taken over", book.from_csv(take.read_text(encoding="utf-8")), output)
    if output is Output.JSON:
        print_json(list(book.items()))
    else:
        sys.stdout.write(book.to_csv())
    return DONE


def board(*, config: Path | None, every: float, once: bool) -> int:
    """Draw the columns again and again, until interrupted."""
    operator = Operator(config, os.environ)
    while not once:
        sys.stdout.write(_CLEAR)
        _print_status(operator, Output.TABLE)
        sys.stdout.flush()
        time.sleep(every)
    _print_status(operator, Output.TABLE)
    return DONE
