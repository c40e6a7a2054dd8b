"""The names that users may import are a contract: they do not come or go unnoticed."""

import penstock
from tools.names import FROZEN, public_names


def test_the_names_behind_the_doors_are_the_agreed_ones() -> None:
    """Where the change is meant, `make fix` writes the list anew, and the diff shows it."""
    assert public_names() == FROZEN.read_text()


def test_every_name_of_the_package_can_be_imported_from_it() -> None:
    for name in penstock.__all__:
        assert getattr(penstock, name) is not None
