"""What we want to reach against the others, and whether the medians of a run reach it."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional

# The median of a peer's figure in a test, if it was measured: (peer, test, figure).
Median = Callable[[str, str, str], Optional[float]]


class Goal(NamedTuple):
    """`ours` is to be at least (a rate) or at most (a time) `factor` times the best of the rivals."""

    ours: str
    test: str
    figure: str
    factor: float
    rivals: tuple[str, ...]

    @property
    def is_rate(self) -> bool:
        return self.figure == "per_s"

    def __str__(self) -> str:
        bound = "at least" if self.is_rate else "at most"
        best = self.rivals[0] if len(self.rivals) == 1 else f"the better of {' and '.join(self.rivals)}"
        factor = "" if self.factor == 1 else f"{self.factor:g} x "
        return f"{self.test} {NAMES[self.figure]}: {self.ours} {bound} {factor}{best}"


NAMES = {"per_s": "tasks/s", "p50_ms": "p50", "p99_ms": "p99", "seconds": "time"}

GOALS = (
    Goal("mpcsfaas", "noop", "per_s", 4, ("dramatiq", "huey")),
    Goal("mpcsfaas-embedded", "noop", "per_s", 1, ("processpool",)),
    Goal("mpcsfaas-unsynced", "noop", "per_s", 1, ("processpool",)),
    Goal("mpcsfaas", "cpu", "per_s", 4, ("dramatiq",)),
    Goal("mpcsfaas", "seq", "p50_ms", 1, ("huey",)),
    Goal("mpcsfaas", "seq", "p99_ms", 1, ("huey",)),
    Goal("mpcsfaas-embedded", "seq", "p50_ms", 0.5, ("huey",)),
    Goal("mpcsfaas-embedded", "seq", "p99_ms", 0.5, ("huey",)),
    Goal("mpcsfaas-unsynced", "seq", "p50_ms", 0.5, ("huey",)),
    Goal("mpcsfaas-unsynced", "seq", "p99_ms", 0.5, ("huey",)),
    Goal("mpcsfaas", "open", "p50_ms", 1, ("huey",)),
    Goal("mpcsfaas", "open", "p99_ms", 1, ("huey",)),
    Goal("mpcsfaas", "sleep", "seconds", 1, ("huey",)),
)


class Verdict(NamedTuple):
    """`ratio` is ours to the best rival's, and `met` whether that is enough; both None if somebody was not measured."""

    goal: Goal
    ratio: float | None
    met: bool | None


def judge(goal: Goal, median: Median) -> Verdict:
    """Whether a run reaches a goal."""
    ours = median(goal.ours, goal.test, goal.figure)
    rivals = [median(rival, goal.test, goal.figure) for rival in goal.rivals]
    known = [value for value in rivals if value is not None]
    if ours is None or len(known) < len(rivals):
        return Verdict(goal, None, None)
    ratio = ours / (max(known) if goal.is_rate else min(known))
    return Verdict(goal, ratio, ratio >= goal.factor if goal.is_rate else ratio <= goal.factor)
