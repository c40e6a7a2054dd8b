"""Utilization is a smooth share between 0 and 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry import Utilization


@pytest.mark.case("k31")
def test_it_moves_a_tenth_of_the_way_per_sample() -> None:
    """One burst must not look like a trend."""
    utilization = Utilization(smoothing=0.9, period_s=5)
    utilization.add(busy_s=5)
    first = utilization.value

    utilization.add(idle_s=5)

    assert first == 1.0
    assert utilization.value == pytest.approx(0.9)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100))))
def test_it_is_always_a_share(spans: list[tuple[float, float]]) -> None:
    """A gauge above one makes every dashboard wrong."""
    utilization = Utilization()
    for busy, idle in spans:
        utilization.add(busy_s=busy, idle_s=idle)
        assert 0.0 <= utilization.value <= 1.0 + 1e-9


def test_before_the_first_full_period_it_says_what_there_is() -> None:
    """Short runs have a bottleneck too."""
    utilization = Utilization()
    assert utilization.value == 0.0

    utilization.add(busy_s=1, idle_s=3)

    assert utilization.value == 0.25
