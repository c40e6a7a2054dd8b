from typing import Any

PATH: str

class Decoder:
    def __init__(
        self, root: tuple[Any, ...], max_depth: int, max_line: int, lenient: int, epoch: int, /
    ) -> None: ...
    def decode(
        self, data: Any, first_line: int, offset: int, /
    ) -> tuple[Any, list[Any], int, int, int]: ...
