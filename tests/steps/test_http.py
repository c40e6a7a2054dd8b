"""Steps of type `http`: where they may go, and what the answer means."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from penstock.steps import HttpExecutor
from penstock.workflow import executor
from tests.steps.attempts import attempt, place, work

Asked = list[tuple[str, dict[str, str], bytes]]


@pytest.fixture
def server() -> Iterator[tuple[str, Asked]]:
    """Answers with the status in the path; tells what it was asked."""
    got: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(int(self.path[1:4]))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"id": 7}')

        do_GET = do_POST  # noqa: N815 - the library's word

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as opened:
        thread = threading.Thread(target=opened.serve_forever)
        thread.start()
        yield f"http://localhost:{opened.server_port}", got
        opened.shutdown()
        thread.join()


def ask(path: Path, url: str, **action: Any) -> executor.Observation:
    doer = HttpExecutor(place(path), allowed_hosts=("localhost",))
    return attempt(doer, work("http", url=url, **action))


def test_the_answer_is_the_result(tmp_path: Path, server: tuple[str, Asked]) -> None:
    """And the key of the work goes with the request, so that the other side can tell it again."""
    url, got = server
    seen = ask(tmp_path, f"{url}/200?x=1", method="POST", body={"a": 1})

    assert seen.result == {"status": 200, "body": {"id": 7}}
    ((path, headers, body),) = got
    assert (path, headers["idempotency-key"], body) == ("/200?x=1", "run/step", b'{"a": 1}')


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, "throttled"), (503, "transient"), (408, "transient"), (404, "user"), (302, "user")],
)
def test_a_status_says_whether_to_try_again(
    tmp_path: Path, server: tuple[str, Asked], status: int, error: str
) -> None:
    """A redirect is not followed: it could lead to where a request may not go."""
    seen = ask(tmp_path, f"{server[0]}/{status}")

    assert seen.failure is not None
    assert (seen.failure.error, str(status) in seen.failure.message) == (error, True)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://[::1]:9/",
        "http://[::ffff:127.0.0.1]:9/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://user@example.org/",
        "file:///etc/passwd",
        "ftp://example.org/",
    ],
)
def test_a_request_goes_to_no_place_that_is_not_public(tmp_path: Path, url: str) -> None:
    """The definition may come from somebody who must not see our network."""
    seen = ask(tmp_path, url)

    assert seen.failure is not None
    assert seen.failure.error == "config"


def test_nobody_there_is_worth_another_attempt(tmp_path: Path) -> None:
    seen = ask(tmp_path, "http://localhost:9/")

    assert seen.failure is not None
    assert seen.failure.error == "transient"
