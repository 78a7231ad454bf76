"""SIGKILL of whatever has Python processes: none of them survives, nor what they had started; the tasks run again."""

from __future__ import annotations

import pytest
from ledger import Ledger
from processes import PATIENCE_S, Platform, eventually

from mpcsfaas import Client, TaskHandle

TASKS = ["first", "second"]


def submit(platform: Platform, client: Client, ledger: Ledger) -> dict[str, TaskHandle[str]]:
    """Tasks that each have a process of their own beside them. Waits until they run."""
    function = client.register(ledger.gated("end", grandchild=True))
    handles = {task: function.submit(task) for task in TASKS}
    ledger.wait_until_started(*TASKS)
    eventually("the grandchildren run", lambda: platform.count("sleep") == len(TASKS))
    return handles


def check(ledger: Ledger, handles: dict[str, TaskHandle[str]]) -> None:
    """The tasks run a second time, and that is the one that counts."""
    ledger.open_gate("end")
    assert {task: handle.result(PATIENCE_S) for task, handle in handles.items()} == {t: t[::-1] for t in TASKS}
    assert {task: len(ledger.executions(task)) for task in TASKS} == dict.fromkeys(TASKS, 2)


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_worker(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    platform.store()
    platform.gateway()
    platform.dispatcher(mode)
    worker = platform.worker(mode, 2)
    handles = submit(platform, client, ledger)
    worker.kill()
    platform.no_strays()
    platform.worker(mode, 2)
    check(ledger, handles)


def test_local_dispatcher(platform: Platform, client: Client, ledger: Ledger) -> None:
    platform.store()
    platform.gateway()
    dispatcher = platform.dispatcher("local")
    handles = submit(platform, client, ledger)
    dispatcher.kill()
    platform.no_strays()
    platform.dispatcher("local")
    check(ledger, handles)


@pytest.mark.parametrize("mode", ["local", "pull", "push"])
def test_up(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    up = platform.up(mode, workers=1)
    handles = submit(platform, client, ledger)
    queued = client.register(ledger.sleeper()).submit("queued", 0.0)
    up.kill()
    platform.no_strays()
    platform.up(mode, workers=1)
    check(ledger, handles)
    assert queued.result(PATIENCE_S) == "deueuq"
    assert len(ledger.executions("queued")) == 1


def test_worker_of_up(platform: Platform, client: Client, ledger: Ledger) -> None:
    """One that ends by itself is replaced."""
    up = platform.up("push", workers=1)
    handles = submit(platform, client, ledger)
    (worker,) = {execution.worker for task in TASKS for execution in ledger.executions(task)}
    (process,) = (child for child in up.descendants() if child.pid == worker)
    process.kill()
    check(ledger, handles)
    assert up.running()
