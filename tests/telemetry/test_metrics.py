"""Metrics are plain numbers with bounded labels, exported as Prometheus reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from penstock.telemetry import MetricError, Metrics, exposition


def _samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = exposition(metrics)[0].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_kind_is_read_back_by_the_official_parser() -> None:
    """The text is for other programs; our own reading of it proves nothing."""
    metrics = Metrics()
    metrics.counter("penstock_a_total", "A.", ("stage",)).labels(stage='p"\n\\').add(3)
    metrics.gauge("penstock_b_bytes", "B.").labels().set(-1.5)
    spread = metrics.histogram("penstock_c_seconds", "C.", bounds=(1, 2)).labels()
    for value in (0.5, 1, 1.5, 9):
        spread.observe(value)

    samples = _samples(metrics)

    assert samples["penstock_a_total", (("stage", 'p"\n\\'),)] == 3
    assert samples["penstock_b_bytes", ()] == -1.5
    assert [samples["penstock_c_seconds_bucket", (("le", le),)] for le in ("1", "2", "+Inf")] == [
        2,
        3,
        4,
    ]
    assert samples["penstock_c_seconds_sum", ()] == 12
    assert samples["penstock_c_seconds_count", ()] == 4


def test_openmetrics_is_spoken_when_asked_for() -> None:
    """Newer scrapers ask for it and read counters differently."""
    body, content_type = exposition(Metrics(), "application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


@given(st.lists(st.integers(0, 30)))
def test_totals_stay_right_when_labels_go_beyond_their_limit(names: list[int]) -> None:
    """A label that somebody fills with file names must not eat the memory, nor lose a count."""
    metrics = Metrics(max_series=5)
    family = metrics.counter("penstock_x_total", "X.", ("file",))

    for name in names:
        family.labels(file=str(name)).add()

    series = family.snapshot()
    assert sum(counter.value for _, counter in series) == len(names)
    assert len(series) <= 6


def test_numbers_that_live_elsewhere_are_fetched_when_somebody_looks() -> None:
    """Hot paths count in plain attributes; only a scrape copies them."""
    metrics, state = Metrics(), {"depth": 1}
    gauge = metrics.gauge("penstock_depth", "Depth.").labels()
    detach = metrics.on_scrape(lambda: gauge.set(state["depth"]))

    state["depth"] = 7
    seen = _samples(metrics)["penstock_depth", ()]
    detach()
    state["depth"] = 9

    assert (seen, _samples(metrics)["penstock_depth", ()]) == (7, 7)


def test_series_of_what_has_gone_are_forgotten() -> None:
    """A pipeline that was removed must not be reported for ever."""
    family = Metrics().gauge("penstock_g", "G.", ("pipeline", "stage"))
    for pipeline in "ab":
        family.labels(pipeline=pipeline, stage="s").set(1)

    family.remove(pipeline="a")

    assert [values for values, _ in family.snapshot()] == [("b", "s")]


@pytest.mark.parametrize(
    "declare",
    [
        lambda metrics: metrics.counter("penstock_items", "No _total."),
        lambda metrics: metrics.gauge("items", "No prefix."),
        lambda metrics: metrics.gauge("penstock_x", "Bad label.", ("Stage",)),
        lambda metrics: metrics.gauge("penstock_taken", "Other labels.", ("stage",)),
        lambda metrics: metrics.histogram("penstock_taken", "Other kind."),
        lambda metrics: metrics.gauge("penstock_taken", "Taken.").labels(stage="x"),
    ],
)
def test_a_declaration_against_the_conventions_is_refused(declare) -> None:
    """Dashboards are written against names: a wrong one is cheapest at the first run."""
    metrics = Metrics()
    metrics.gauge("penstock_taken", "Taken.")

    with pytest.raises(MetricError):
        declare(metrics)


def test_declaring_the_same_metric_again_returns_the_same_series() -> None:
    """Two flows in one process share a metric and differ in a label."""
    metrics = Metrics()

    metrics.counter("penstock_x_total", "X.").labels().add(2)

    assert metrics.counter("penstock_x_total", "X.").labels().value == 2
