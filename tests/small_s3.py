"""A small S3 server in a thread of this process, which does one thing at a time."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def one_by_one(app: App) -> App:
    """A web application that has one request at a time.

    To put an object that is not there yet is one step for S3; moto looks and puts in two, and of two
    rivals both may win.
    """
    turn = threading.Lock()

    def answer(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with turn:
            return list(app(request, start))

    return answer


@contextmanager
def small_s3() -> Iterator[str]:
    """Its endpoint; the tests that need it are skipped where moto is not there."""
    # Imported here: it takes seconds, and few tests need it.
    moto = pytest.importorskip("moto.server")
    serving = pytest.importorskip("werkzeug.serving")
    app = one_by_one(moto.DomainDispatcherApplication(moto.create_backend_app))
    server = serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="small S3", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
