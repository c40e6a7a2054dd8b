"""What a store's client says comes out as one line with a way out."""

import pytest

from penstock.storage import reason_of

_DELTALAKE = "Kernel error -> Generic S3 error\n   \x1b[31m↳\x1b[0m HTTP error\n    \x1b[31m↳\x1b[0m Connection refused (os error 111)\n"
_OBSTORE = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token\n\nDebug source:\nGeneric {\n store: S3 }"


def test_all_causes_stand_on_one_line() -> None:
    said = reason_of(OSError(_DELTALAKE))

    assert said == "Kernel error -> Generic S3 error: HTTP error: Connection refused (os error 111)"


@pytest.mark.parametrize(
    "text", [_OBSTORE, "Operation not supported\n ↳ an error occurred while loading credentials"]
)
def test_who_has_no_credentials_is_told_where_they_go(text: str) -> None:
    """The clients then ask a cloud's machine for them, and complain about an address nobody knows."""
    said = reason_of(OSError(text))

    assert said.startswith("no credentials were found: set aws_access_key_id")
    assert "Debug" not in said
    assert "\n" not in said


def test_an_error_without_a_text_is_named() -> None:
    assert reason_of(TimeoutError()) == "TimeoutError"
