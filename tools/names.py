"""Write tests/public_names.txt: what users may import. A change to it is a change to the contract."""

from pathlib import Path

from tools.reference_pages import door, rooms

FROZEN = Path(__file__).resolve().parent.parent / "tests" / "public_names.txt"


def public_names() -> str:
    """One line per name behind a door, sorted."""
    lines = (f"{room}.{name}\n" for room in rooms() for name in getattr(door(room), "__all__", ()))
    return "".join(lines)


if __name__ == "__main__":
    FROZEN.write_text(public_names(), encoding="utf-8")
