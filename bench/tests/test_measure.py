"""The tests, on a peer that is a thread pool."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from compare import measure
from compare.peers.peer import FuturePeer, Peer, Setting
from compare.work import EXPECTED, WORK

SETTING = Setting(processes=1, one_each=False, programs=Path(), binary=Path(), scratch=Path())


class Threads(FuturePeer):
    """Runs tasks in this process; it may have results of its own."""

    instead: object = None

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(2)

    def submit(self, name: str) -> Future[Any]:
        return self._pool.submit(lambda: self.instead or WORK[name]())

    def stop(self) -> None:
        self._pool.shutdown()


class WithoutHook(Threads):
    """As those systems that tell of a result only whoever waits for it."""

    when_done = Peer.when_done


@pytest.fixture(params=[Threads, WithoutHook])
def peer(request: pytest.FixtureRequest) -> Iterator[Threads]:
    peer: Threads = request.param(SETTING)
    peer.start()
    yield peer
    peer.stop()


def test_the_expected_results_are_those_of_the_work_items() -> None:
    assert {name: WORK[name]() for name in EXPECTED} == EXPECTED


def test_each_test_has_figures(peer: Threads) -> None:
    sizes = measure.Sizes(tasks={"noop": 20, "cpu": 10}, sequence=5, open=10, naps=2)
    found = {name: test(peer, sizes) for name, test in measure.TESTS.items()}
    assert [found[name]["n"] for name in ("noop", "cpu", "seq", "open", "sleep")] == [20, 10, 5, 10, 2]
    assert found["noop"]["per_s"] == pytest.approx(20 / found["noop"]["seconds"], rel=0.1)
    assert 0 < found["seq"]["p50_ms"] <= found["seq"]["p99_ms"] <= found["seq"]["max_ms"]
    assert found["sleep"]["seconds"] >= 0.1


def test_wrong_results_are_errors(peer: Threads) -> None:
    peer.instead = "wrong"
    sizes = measure.Sizes(tasks={"noop": 2, "cpu": 2}, sequence=2, open=2, naps=2)
    for test in measure.TESTS.values():
        with pytest.raises(ValueError, match="wrong"):
            test(peer, sizes)


def test_a_latency_counts_from_when_a_task_was_due(peer: Threads) -> None:
    # All are due at once, and each takes 100 ms in one of two threads: so the last one ends after 200 ms.
    peer.submit = lambda name: peer._pool.submit(lambda: WORK["where"]() and EXPECTED[name])  # type: ignore[method-assign]
    outcome = measure.open_loop(peer, 4, rate=1e6)
    assert outcome["max_ms"] >= 200
    assert outcome["p50_ms"] >= 100


def test_all_processes_have_run_before_anything_is_measured(peer: Threads) -> None:
    measure.warm_up(peer, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "PATIENCE_S", 0)
        with pytest.raises(TimeoutError, match="only 0 of 2 processes"):
            measure.warm_up(peer, 2)
