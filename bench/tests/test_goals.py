"""What counts as reaching a goal."""

from __future__ import annotations

import pytest

from compare.goals import GOALS, Goal, judge
from compare.measure import TESTS
from compare.peers import PEERS

RATE = Goal("ours", "noop", "per_s", 4, ("a", "b"))
TIME = Goal("ours", "seq", "p99_ms", 0.5, ("a", "b"))


@pytest.mark.parametrize(("ours", "met"), [(40.0, True), (39.9, False)])
def test_a_rate_is_held_to_the_fastest_rival(ours: float, met: bool) -> None:
    medians = {"ours": ours, "a": 10.0, "b": 1.0}
    verdict = judge(RATE, lambda peer, test, figure: medians[peer])
    assert verdict.ratio == pytest.approx(ours / 10)
    assert verdict.met is met


@pytest.mark.parametrize(("ours", "met"), [(1.0, True), (1.1, False)])
def test_a_time_is_held_to_the_fastest_rival(ours: float, met: bool) -> None:
    medians = {"ours": ours, "a": 10.0, "b": 2.0}
    verdict = judge(TIME, lambda peer, test, figure: medians[peer])
    assert verdict.ratio == pytest.approx(ours / 2)
    assert verdict.met is met


@pytest.mark.parametrize("missing", ["ours", "a", "b"])
def test_without_a_figure_nothing_is_said(missing: str) -> None:
    medians = {"ours": 40.0, "a": 10.0, "b": 1.0, missing: None}
    assert judge(RATE, lambda peer, test, figure: medians[peer])[1:] == (None, None)


def test_a_goal_says_what_it_wants() -> None:
    assert str(RATE) == "noop tasks/s: ours at least 4 x the better of a and b"
    assert str(TIME) == "seq p99: ours at most 0.5 x the better of a and b"
    assert str(Goal("ours", "sleep", "seconds", 1, ("a",))) == "sleep time: ours at most a"


def test_the_goals_name_peers_and_tests_that_there_are() -> None:
    for goal in GOALS:
        assert {goal.ours, *goal.rivals} <= set(PEERS)
        assert goal.test in TESTS
