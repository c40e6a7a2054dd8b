"""Local files that survive a power cut, and are there whole or not at all.

Owns: writing, placing and naming a file in one step, the durability of names, early write-back.
Promises: what a function that says so has written is on the disk when it returns; a file that
another process sees is whole, whenever its writer died.
Does not: lock, delete what it does not own, or know what is in a file.
"""

from penstock.files._files import (
    TEMPORARY_PREFIX,
    begin_writeback,
    place_file,
    remove_abandoned,
    sync_directory,
    write_atomic,
    write_if_absent,
)

__all__ = [
    "TEMPORARY_PREFIX",
    "begin_writeback",
    "place_file",
    "remove_abandoned",
    "sync_directory",
    "write_atomic",
    "write_if_absent",
]
