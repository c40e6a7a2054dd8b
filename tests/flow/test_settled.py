"""Frontier and intervals against a model: a set of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.flow._settled import Settled

LAST = 24
SPANS = st.lists(
    st.tuples(st.integers(0, LAST), st.integers(1, 5)).map(
        lambda pair: (pair[0], min(pair[0] + pair[1], LAST + 1))
    ),
    max_size=30,
)


@given(SPANS)
def test_intervals_hold_exactly_what_was_settled(spans: list[tuple[int, int]]) -> None:
    """In any order, overlapping or not; and the frontier is as far as it can be."""
    lane, model = Settled(0), set[int]()
    for start, end in spans:
        lane.add(start, end)
        model.update(range(start + 1, end + 1))

        frontier = next(number for number in range(LAST + 2) if number + 1 not in model)
        assert lane.frontier == frontier
        assert {number for number in range(-3, LAST + 4) if number in lane} == model | {
            0,
            -1,
            -2,
            -3,
        }


@given(SPANS)
def test_intervals_are_few_sorted_and_do_not_touch(spans: list[tuple[int, int]]) -> None:
    """Otherwise they would grow without end, and equal states would differ."""
    lane = Settled(0)
    for start, end in spans:
        lane.add(start, end)

    places = [lane.frontier, *(place for interval in lane.beyond for place in interval)]
    assert places == sorted(set(places))


@given(st.permutations(range(12)))
def test_the_order_of_acks_does_not_matter(order: list[int]) -> None:
    """All orders end at the same frontier, with nothing beyond."""
    lane = Settled(0)
    for number in order:
        lane.add(number, number + 1)

    assert (lane.frontier, lane.beyond) == (12, [])


@given(st.permutations("abcdefgh"))
def test_texts_are_places_too_and_the_first_has_nothing_before_it(order: list[str]) -> None:
    """Cursors need not be numbers."""
    lane, done = Settled(None), set[str]()
    for letter in order:
        lane.add(None if letter == "a" else chr(ord(letter) - 1), letter)
        done.add(letter)
        assert {one for one in "abcdefgh" if one in lane} == done

    assert (lane.frontier, lane.beyond) == ("h", [])


@given(SPANS, SPANS)
def test_a_copy_goes_its_own_way(spans: list[tuple[int, int]], more: list[tuple[int, int]]) -> None:
    """The progress that a commit would make must not become the progress made."""
    lane = Settled(0)
    for start, end in spans:
        lane.add(start, end)
    before = (lane.frontier, lane.beyond)

    other = lane.copy()
    for start, end in more:
        other.add(start, end)

    assert (lane.frontier, lane.beyond) == before
