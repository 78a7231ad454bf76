"""Percentiles, medians, and how many tasks a measurement takes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

# A measurement of throughput takes as many tasks as last at least so long, so that starting up counts equally little
# for fast and slow peers.
AIM_S = 1.0

_ROUND = (1, 2, 5)


class Spread(NamedTuple):
    """What several rounds gave."""

    median: float
    least: float
    most: float
    rounds: int


def spread(values: Sequence[float]) -> Spread:
    """The median, and the extremes. There must be a value."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent do not exceed (nearest rank); `ordered` ascends."""
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(rank, 1) - 1]


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    ordered = sorted(seconds)
    named = {f"p{percent}_ms": percentile(ordered, percent) for percent in (50, 95, 99)}
    return {name: round(1_000 * value, 4) for name, value in {**named, "max_ms": ordered[-1]}.items()}


def enough(per_s: float, at_least: int = 1_000, seconds: float = AIM_S) -> int:
    """The smallest of 1,000, 2,000, 5,000, 10,000, ... that lasts so long at this rate."""
    wanted = max(per_s * seconds, at_least)
    scale: int = 10 ** math.floor(math.log10(wanted))
    # Ten times the scale, as wanted may be above five times.
    return next(step * scale for step in (*_ROUND, 10) if step * scale >= wanted)
