"""SIGTERM: what runs is finished and kept, what waits runs elsewhere, and nothing runs twice."""

from __future__ import annotations

import pytest
from ledger import Ledger
from processes import PATIENCE_S, Platform, Process, eventually

from mpcsfaas import Client, TaskHandle

# More than a leaving process of one Python process holds, so that some wait there and some in the queue.
WAITING = [f"waiting-{number}" for number in range(5)]


def submit(client: Client, ledger: Ledger) -> tuple[TaskHandle[str], dict[str, TaskHandle[str]]]:
    """One task that runs, and some that wait behind it."""
    running = client.register(ledger.gated("end")).submit("running")
    ledger.wait_until_started("running")
    sleeper = client.register(ledger.sleeper())
    return running, {task: sleeper.submit(task, 0.05) for task in WAITING}


def check(running: TaskHandle[str], waiting: dict[str, TaskHandle[str]], ledger: Ledger) -> None:
    assert running.result(PATIENCE_S) == "gninnur"
    assert {task: handle.result(PATIENCE_S) for task, handle in waiting.items()} == {t: t[::-1] for t in WAITING}
    assert ledger.started() == {"running", *WAITING}
    assert not ledger.repeated()


def wait_until_draining(process: Process) -> None:
    eventually("it drains", lambda: "draining" in process.log())


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_worker(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    platform.store()
    platform.gateway()
    platform.dispatcher(mode)
    leaving = platform.worker(mode, 1)
    running, waiting = submit(client, ledger)
    platform.worker(mode, 1)
    leaving.terminate()
    # They run elsewhere while the leaving worker still has a task.
    assert {task: handle.result(PATIENCE_S) for task, handle in waiting.items()} == {t: t[::-1] for t in WAITING}
    assert leaving.running()
    ledger.open_gate("end")
    assert leaving.exit_code() == 0
    check(running, waiting, ledger)


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_dispatcher(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    platform.store()
    platform.gateway()
    leaving = platform.dispatcher(mode)
    worker = platform.worker(mode, 1)
    running, waiting = submit(client, ledger)
    leaving.terminate()
    wait_until_draining(leaving)
    assert ledger.started() == {"running"}
    ledger.open_gate("end")
    assert leaving.exit_code() == 0
    platform.dispatcher(mode)
    check(running, waiting, ledger)
    assert worker.running()


def test_local_dispatcher(platform: Platform, client: Client, ledger: Ledger) -> None:
    platform.store()
    platform.gateway()
    leaving = platform.dispatcher("local", processes=1)
    running, waiting = submit(client, ledger)
    leaving.terminate()
    wait_until_draining(leaving)
    platform.dispatcher("local", processes=1)
    assert {task: handle.result(PATIENCE_S) for task, handle in waiting.items()} == {t: t[::-1] for t in WAITING}
    assert leaving.running()
    ledger.open_gate("end")
    assert leaving.exit_code() == 0
    check(running, waiting, ledger)


@pytest.mark.parametrize("mode", ["local", "pull", "push"])
def test_up(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    leaving = platform.up(mode, workers=1, processes=1)
    running, waiting = submit(client, ledger)
    leaving.terminate()
    wait_until_draining(leaving)
    ledger.open_gate("end")
    assert leaving.exit_code() == 0
    # What ran was finished before; what waited is on disk.
    assert ledger.started() == {"running"}
    assert not platform.all_alive()
    platform.up(mode, workers=1, processes=1)
    check(running, waiting, ledger)


def test_gateway(platform: Platform) -> None:
    platform.store()
    leaving = platform.gateway()
    eventually("it listens", platform.readiness)
    leaving.terminate()
    assert leaving.exit_code() == 0


@pytest.mark.parametrize("what", ["worker", "dispatcher", "local dispatcher", "up"])
def test_told_twice(platform: Platform, client: Client, ledger: Ledger, what: str) -> None:
    """The second SIGTERM ends a process at once, whatever it still runs."""
    told = start_with(platform, what)
    submit(client, ledger)
    told.terminate()
    wait_until_draining(told)
    assert told.running()
    told.terminate()
    assert told.exit_code(within=5.0) == 130
    platform.no_strays()


def start_with(platform: Platform, what: str) -> Process:
    """A platform; returns the named part."""
    if what == "up":
        return platform.up("push", workers=1, processes=1)
    platform.store()
    platform.gateway()
    if what == "local dispatcher":
        return platform.dispatcher("local", processes=1)
    dispatcher = platform.dispatcher("push")
    worker = platform.worker("push", 1)
    return worker if what == "worker" else dispatcher
