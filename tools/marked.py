"""Generated parts of hand-written pages: what stands between `<!-- name:begin -->` and `<!-- name:end -->`."""

from collections.abc import Sequence


def replaced(page: str, name: str, lines: Sequence[str]) -> str:
    """`page` with `lines` as its part `name`.

    Raises:
        ValueError: The page has no such part.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"expected {begin} and {end} in the page")
    return "\n".join([before + begin, *lines, end + after])
