"""Values: small immutable things with named fields, of which there are many."""

from typing import dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Value(msgspec.Struct, frozen=True):
    """An immutable value whose fields are declared as those of a dataclass are.

    Two of one class with equal fields are equal, and hash alike if their fields can be hashed.
    Made in a tenth of the time that a frozen dataclass takes, and its class in a thirtieth, which
    is what the start of a program is made of. Fields are not checked: `Config` is for what users
    write, and `Record` for what is stored.

    `msgspec.structs` has `replace`, `asdict` (of this value alone, not of values in it) and `fields`.
    `__post_init__` runs after `replace`, too.
    """
