"""What a filter needs of its tokens: checked key by key, before any work."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from penstock.base import RetryPolicy
from penstock.kanban import Filter, FilterContext, Seat, Token
from penstock.kanban._loop import FilterLoop
from penstock.telemetry import get_logger
from tests.kanban.boards import make_bucket, make_token


class CountPages(Filter):
    needs: ClassVar = {"shelf": str, "pages": Annotated[int, Field(ge=1)], "sizes": list[int]}
    worked: ClassVar[list[str]] = []

    def process(self, token: Token) -> Token:
        self.worked.append(token.id)
        return token


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "the token lacks 'shelf'; the token lacks 'pages'; the token lacks 'sizes'"),
        ({"shelf": 7, "pages": 1, "sizes": []}, "'shelf' of the token is 7: Input should be a valid string"),
        ({"shelf": "A", "pages": "1", "sizes": []}, "'pages' of the token is '1': Input should be a valid integer"),
        ({"shelf": "A", "pages": 0, "sizes": []}, "'pages' of the token is 0: Input should be greater than"),
        ({"shelf": "A", "pages": 1, "sizes": ["x"]}, "'sizes' of the token is ['x']"),
    ],
)  # fmt: skip
def test_a_token_that_lacks_or_mistypes_a_key_is_an_error_before_any_work(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("bad", fields=fields))
    first.put(make_token("good", fields={"shelf": "A", "pages": 3, "sizes": [1, 2]}))
    CountPages.worked.clear()

    with Seat(first, "w", into=second) as seat:
        filter_ = CountPages(FilterContext("count", tmp_path))
        loop = FilterLoop(filter_, seat, retry=RetryPolicy(), timeout=None, log=get_logger("test"))
        assert loop.turn()
        assert loop.turn()

    (failed,) = first.tokens("errors")
    assert failed.reason.startswith(reason)
    assert CountPages.worked == ["good"]
