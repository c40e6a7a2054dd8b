"""Questions in SQL to the engines that are up; no more of their protocols than a test needs."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

_ANSWER_S = 120
_TRINO_HEADERS = {
    "X-Trino-User": "penstock",
    "X-Trino-Time-Zone": "UTC",
    "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",  # else times come without their last digits
}


class SqlError(Exception):
    """The engine refused a statement, or failed at it; the text is its own."""


def spark_rows(address: str, statement: str) -> list[dict[str, Any]]:
    """All rows of one statement, by the names of their columns; see `spark_server` for the values.

    Raises:
        OSError: Nobody answers.
        SqlError: The statement failed.
    """
    answer = _request(address, "POST", "/", statement.encode(), {})
    return [json.loads(line) for line in answer.splitlines()]


def trino_rows(address: str, statement: str) -> list[list[Any]]:
    """All rows of one statement, as Trino's protocol has them: a `row` is a list, a time text.

    Raises:
        OSError: Nobody answers.
        SqlError: The statement failed.
    """
    body = _request(address, "POST", "/v1/statement", statement.encode(), _TRINO_HEADERS)
    page, rows = json.loads(body), []
    while True:
        if "error" in page:
            raise SqlError(page["error"]["message"])
        rows += page.get("data", [])
        if "nextUri" not in page:
            return rows
        path = page["nextUri"].partition(address)[2]
        page = json.loads(_request(address, "GET", path, None, _TRINO_HEADERS))


def _request(
    address: str, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> str:
    connection = http.client.HTTPConnection(address, timeout=_ANSWER_S)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise SqlError(f"{answer.status} {text}")
    return text
