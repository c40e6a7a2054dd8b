"""Errors survive the way from one process to another."""

import pickle

import pytest

from penstock.base import ConfigError, FailpointError, MissingExtraError, PenstockError, Problem


@pytest.mark.parametrize(
    "error",
    [
        PenstockError("plain"),
        FailpointError("failpoint x"),
        MissingExtraError(module="pyarrow", extra="lake"),
        ConfigError(problems=(Problem("a", 1, "k", "m"),)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_crosses_process_borders_however_it_was_built(error: PenstockError) -> None:
    """Built with keyword arguments, an exception of the standard library's kind does not unpickle."""
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_missing_extra_is_one_sentence_that_names_it() -> None:
    error = MissingExtraError(module="pyarrow", extra="lake")

    assert str(error) == (
        "this needs 'pyarrow', which comes with an extra: pip install 'penstock[lake]'"
    )


def test_a_note_added_on_the_way_survives_too() -> None:
    error = PenstockError("plain")
    error.add_note("while opening x")

    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while opening x"]
