"""The tests. Each gets a peer that is warm, and answers figures; wrong results are errors."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from compare import figures
from compare.peers.peer import PATIENCE_S, Peer
from compare.work import EXPECTED

Figures = dict[str, float]

# Tasks a second in the open loop: far below what the slowest peer can do, so that queues do not decide.
RATE = 200

_PILOT = 500


class Sizes(NamedTuple):
    """How many tasks the tests have. A test of throughput that is not in `tasks` has as many as last about a second."""

    tasks: Mapping[str, int]
    sequence: int
    open: int
    naps: int


FULL = Sizes(tasks={}, sequence=1_000, open=1_000, naps=80)
QUICK = Sizes(tasks={"noop": 500, "cpu": 500}, sequence=100, open=200, naps=80)


def throughput(peer: Peer, name: str, tasks: int | None) -> Figures:
    """One client submits tasks one by one as fast as it can, then takes all results. The clock covers both."""
    if tasks is None:
        tasks = figures.enough(_PILOT / _batch(peer, name, _PILOT))
    seconds = _batch(peer, name, tasks)
    return {"n": tasks, "seconds": round(seconds, 4), "per_s": round(tasks / seconds, 1)}


def sequence(peer: Peer, tasks: int) -> Figures:
    """One round trip after the other: what a caller waits for who has nothing else to do."""
    times = []
    for _ in range(tasks):
        begun = time.perf_counter()
        result = peer.result(peer.submit("noop"))
        times.append(time.perf_counter() - begun)
        _check("noop", [result])
    return {"n": tasks, **figures.latencies(times)}


def open_loop(peer: Peer, tasks: int, rate: float = RATE) -> Figures:
    """Tasks are due at fixed times, and a latency counts from then, whether or not the peer or the client is behind.

    So a stall shows in all the tasks that were due while it lasted (no coordinated omission).
    """
    loop = _OpenLoop(peer, tasks, rate)
    return {"n": tasks, **figures.latencies(loop.run()), "sent_late_ms": round(1_000 * loop.sent_late, 3)}


def naps(peer: Peer, tasks: int) -> Figures:
    """Tasks of 100 ms on 8 processes: whether all of them are kept busy. 80 of them take 1 s at least."""
    return {"n": tasks, "seconds": round(_batch(peer, "sleep", tasks), 4)}


TESTS: dict[str, Callable[[Peer, Sizes], Figures]] = {
    "noop": lambda peer, sizes: throughput(peer, "noop", sizes.tasks.get("noop")),
    "cpu": lambda peer, sizes: throughput(peer, "cpu", sizes.tasks.get("cpu")),
    "seq": lambda peer, sizes: sequence(peer, sizes.sequence),
    "open": lambda peer, sizes: open_loop(peer, sizes.open),
    "sleep": lambda peer, sizes: naps(peer, sizes.naps),
}

# Worker processes of the tests; those that are not named have two.
MANY_PROCESSES = {"sleep": 8}


def processes(test: str) -> int:
    """How many worker processes a test has."""
    return MANY_PROCESSES.get(test, 2)


def warm_up(peer: Peer, wanted: int) -> None:
    """Returns when all processes have run tasks, so that no test measures how they start."""
    seen: set[Any] = set()
    deadline = time.monotonic() + PATIENCE_S
    while len(seen) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {len(seen)} of {wanted} processes take tasks")
        seen.update(peer.results([peer.submit("where") for _ in range(2 * wanted)]))
    for name in ("noop", "cpu"):
        _batch(peer, name, 100)


def _batch(peer: Peer, name: str, tasks: int) -> float:
    """Seconds for so many tasks."""
    begun = time.perf_counter()
    results = peer.results([peer.submit(name) for _ in range(tasks)])
    seconds = time.perf_counter() - begun
    if len(results) != tasks:
        raise ValueError(f"{len(results)} results of {tasks} tasks")
    _check(name, results)
    return seconds


def _check(name: str, results: list[Any]) -> None:
    wrong = [result for result in results if result != EXPECTED[name]]
    if wrong:
        raise ValueError(f"{len(wrong)} wrong results of {name}, such as {wrong[0]!r}")


class _OpenLoop:
    """One run. Whoever has a hook for the end of a task is asked by it; for others a thread waits, in their order."""

    def __init__(self, peer: Peer, tasks: int, rate: float) -> None:
        self._peer = peer
        self._due = [number / rate for number in range(tasks)]
        self._done = [0.0] * tasks
        self._left = threading.Semaphore(0)
        self._failures: list[BaseException] = []
        # By how much the worst task left after it was due: if it is much, the client was what was measured.
        self.sent_late = 0.0

    def run(self) -> list[float]:
        """The latencies in seconds."""
        waiting: queue.SimpleQueue[tuple[int, Any] | None] = queue.SimpleQueue()
        waiter = threading.Thread(target=self._wait_for_each, args=(waiting,), daemon=True)
        waiter.start()
        start = time.perf_counter() + 0.05
        self._due = [start + offset for offset in self._due]
        for number, due in enumerate(self._due):
            while (ahead := due - time.perf_counter()) > 0:
                self._peer.pump(ahead)
            self.sent_late = max(self.sent_late, time.perf_counter() - due)
            handle = self._peer.submit("noop")
            if not self._peer.when_done(handle, functools.partial(self._finish, number)):
                waiting.put((number, handle))
        waiting.put(None)
        self._wait_for_all()
        return [done - due for done, due in zip(self._done, self._due)]

    def _wait_for_each(self, waiting: queue.SimpleQueue[tuple[int, Any] | None]) -> None:
        while (item := waiting.get()) is not None:
            number, handle = item
            try:
                self._finish(number, self._peer.result(handle))
            except BaseException as failure:
                self._failures.append(failure)
                return

    def _finish(self, number: int, result: Any) -> None:
        self._done[number] = time.perf_counter()
        if result != EXPECTED["noop"]:
            self._failures.append(ValueError(f"a wrong result: {result!r}"))
        self._left.release()

    def _wait_for_all(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        ended = 0
        while ended < len(self._due):
            if self._left.acquire(blocking=False):
                ended += 1
                continue
            if self._failures:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._due) - ended} of {len(self._due)} tasks never ended")
            self._peer.pump(0.002)
        if self._failures:
            raise self._failures[0]
