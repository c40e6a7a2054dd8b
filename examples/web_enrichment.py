"""Enrich rows from a web API that allows so many calls a second, and is down now and then.

The rate is a `RateLimit`, so that other stages and flows of this program may share it. What the API
refuses for a moment is tried again; what it does not know becomes a dead letter.

    python web_enrichment.py
"""

import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, ClassVar

from penstock import Flow, PoisonError, RateLimit, RetryPolicy, stage

Row = dict[str, Any]
RATE, BURST = 50, 5
vendor = RateLimit(f"{RATE}/s", burst=BURST)


def lookup(base: str) -> Callable[[Row], Row]:
    """The stage that asks the API at this address."""

    @stage(
        pool="thread",
        workers=8,
        rate=vendor,
        timeout="60s",
        retry=RetryPolicy(initial_interval="20ms", maximum_attempts=5, retry_on=(OSError,)),
        order="input",
    )
    def city_of(row: Row) -> Row:
        try:
            with urllib.request.urlopen(f"{base}/zip/{row['zip']}", timeout=50) as answer:
                return {**row, **json.load(answer)}
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                raise PoisonError(f"nobody knows zip code {row['zip']}") from error
            raise

    return city_of


class Vendor(BaseHTTPRequestHandler):
    """The API: refuses every tenth code once, does not know code 13, and notes when it was called."""

    calls: ClassVar[list[float]] = []
    seen: ClassVar[Counter[int]] = Counter()
    lock = Lock()

    def do_GET(self) -> None:
        code = int(self.path.rpartition("/")[2])
        with self.lock:
            self.calls.append(time.monotonic())
            self.seen[code] += 1
            status = 404 if code == 13 else 503 if code % 10 == 0 and self.seen[code] == 1 else 200
        body = json.dumps({"city": f"City {code}"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    rows: list[Row] = []
    with serving() as base:
        source = [{"name": f"n{number}", "zip": number} for number in range(50)]
        started = time.monotonic()
        report = (Flow("addresses") | source | lookup(base) | rows.append).run()
    print(rows[0])
    print(f"{report.delivered} enriched with {len(Vendor.calls)} calls")
    print([letter.error for letter in report.dead_letters])
    allowed = [BURST + RATE * (called - started) for called in Vendor.calls]
    print("kept to the rate:", all(n <= most for n, most in enumerate(allowed, start=1)))
