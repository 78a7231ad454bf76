"""Percentiles, medians and sizes."""

from __future__ import annotations

import pytest

from compare import figures


def test_a_percentile_is_a_value_that_was_measured() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [figures.percentile(ordered, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert figures.percentile([1.0, 2.0, 3.0], 50) == 2
    assert figures.percentile([1.0, 2.0], 50) == 1
    assert figures.percentile([7.0], 99) == 7


def test_latencies_are_in_milliseconds_and_need_no_order() -> None:
    found = figures.latencies([0.004, 0.001, 0.003, 0.002])
    assert found == {"p50_ms": 2, "p95_ms": 4, "p99_ms": 4, "max_ms": 4}


def test_a_spread_has_the_extremes() -> None:
    assert figures.spread([3, 1, 2]) == (2, 1, 3, 3)
    assert figures.spread([4, 2]).median == 3


@pytest.mark.parametrize(
    ("per_s", "tasks"),
    [(1, 1_000), (999, 1_000), (1_001, 2_000), (4_100, 5_000), (5_100, 10_000), (17_000, 20_000), (100_000, 100_000)],
)
def test_a_measurement_takes_what_lasts_a_second(per_s: float, tasks: int) -> None:
    assert figures.enough(per_s) == tasks
