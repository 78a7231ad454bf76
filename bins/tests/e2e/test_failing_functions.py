"""Functions that go wrong in every way: the task fails at once and says how, the worker lives, and nothing stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Callable

import psutil
import pytest
from conftest import closing
from processes import PATIENCE_S, Platform, eventually

from mpcsfaas import Client, TaskFailed, TaskHandle

# Sooner than any timeout of the platform's by which it could find out; the kill grace of 2 s is in it.
AT_ONCE_S = 15.0

# The tests of one shape share a platform, so they must meet in one process.
SHAPES = [
    pytest.param(shape, marks=pytest.mark.xdist_group(shape))
    for shape in ("local", "pull", "push", "up-local", "up-push")
]


@pytest.fixture(scope="module", params=SHAPES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of two Python processes."""
    platform = Platform(tmp_path_factory.mktemp("shared"))
    started, _, mode = request.param.rpartition("-")
    if started == "up":
        platform.up(mode, workers=1)
    else:
        platform.store()
        platform.gateway()
        platform.dispatcher(mode)
        if mode != "local":
            platform.worker(mode, 2)
    yield from closing(platform)


class Outcome:
    """A task that has ended, and what it cost."""

    def __init__(self, platform: Platform, function: Callable[..., Any], timeout_s: float | None = None) -> None:
        with Client(platform.url, timeout=PATIENCE_S) as client:
            # The first tasks also wait until both processes are there.
            list(client.map(lambda n: n, range(4), timeout=PATIENCE_S))
            before = len(platform.all_alive())
            self.handle: TaskHandle[Any] = client.register(function, timeout_s=timeout_s).submit()
            self.error: TaskFailed | None = None
            self.result: Any = None
            began = time.monotonic()
            try:
                self.result = self.handle.result(PATIENCE_S)
            except TaskFailed as error:
                self.error = error
            assert time.monotonic() - began < AT_ONCE_S + (timeout_s or 0.0)
            self.details = self.handle.details()
            assert len(self.details["attempts"]) == 1, "it was tried again"
            assert list(client.map(lambda n: n * n, range(10), timeout=PATIENCE_S)) == [n * n for n in range(10)]
        eventually("as many processes as before", lambda: len(platform.all_alive()) == before)
        assert all(process.running() for process in platform.processes)

    def failure(self) -> tuple[str, int | None, int | None]:
        """Kind, exit code, signal."""
        assert self.error is not None, f"it returned {self.result!r:.100}"
        return self.error.kind, self.error.exit_code, self.error.signal


def test_raises(shared: Platform) -> None:
    def planned() -> None:
        raise ValueError("no such luck")

    outcome = Outcome(shared, planned)
    assert outcome.failure() == ("raised", None, None)
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("ValueError", "no such luck")
    assert "in planned" in outcome.error.remote_traceback


def test_returns_what_cannot_be_pickled(shared: Platform) -> None:
    assert Outcome(shared, lambda: (n for n in range(3))).failure() == ("pickle_result", None, None)


def test_returns_too_much(shared: Platform) -> None:
    assert Outcome(shared, lambda: bytes(9 << 20)).failure() == ("result_too_large", None, None)


def test_os_exit(shared: Platform) -> None:
    def leave() -> None:
        import os

        os._exit(4)

    assert Outcome(shared, leave).failure() == ("exited", 4, None)


def test_sys_exit(shared: Platform) -> None:
    def leave() -> None:
        import sys

        sys.exit(3)

    assert Outcome(shared, leave).failure() == ("exit", 3, None)


def test_segmentation_fault(shared: Platform) -> None:
    def crash() -> None:
        import ctypes

        ctypes.string_at(0)

    outcome = Outcome(shared, crash)
    assert outcome.failure() == ("killed", None, 11)
    assert "Segmentation fault" in outcome.details["output"]


def test_kills_itself(shared: Platform) -> None:
    def kill() -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    assert Outcome(shared, kill).failure() == ("killed", None, 9)


def test_runs_past_its_deadline(shared: Platform) -> None:
    def hang() -> None:
        import time

        time.sleep(600)

    assert Outcome(shared, hang, timeout_s=0.5).failure()[0] == "timeout"


def test_runs_past_its_deadline_and_ignores_sigterm(shared: Platform) -> None:
    def hang() -> None:
        import signal
        import time

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)

    assert Outcome(shared, hang, timeout_s=0.5).failure()[0] == "timeout"


def test_leaves_a_child_that_hangs(shared: Platform) -> None:
    def leave_behind() -> int:
        import subprocess

        return subprocess.Popen(["sleep", "600"]).pid

    outcome = Outcome(shared, leave_behind)
    assert outcome.error is None
    assert not psutil.pid_exists(outcome.result)
    assert "left running" in outcome.details["output"]


def test_leaves_a_daemon(shared: Platform) -> None:
    def leave_behind() -> int:
        import subprocess

        # In a session of its own, its parent gone, and the task's output held open.
        program = "sleep 600 >&2 & echo $!"
        shell = subprocess.run(["sh", "-c", program], stdout=subprocess.PIPE, check=True, start_new_session=True)
        return int(shell.stdout)

    outcome = Outcome(shared, leave_behind)
    assert outcome.error is None
    assert not psutil.pid_exists(outcome.result)


def test_prints_megabytes(shared: Platform) -> None:
    def speak() -> str:
        import os
        import sys

        for _ in range(64):
            sys.stdout.write("x" * 65_536)
            os.write(2, b"y" * 65_536)
        return "said"

    outcome = Outcome(shared, speak)
    assert (outcome.error, outcome.result) == (None, "said")
    assert 32 << 10 <= len(outcome.details["output"]) <= 64 << 10
