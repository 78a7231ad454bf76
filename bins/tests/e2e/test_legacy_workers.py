"""The original's Python workers on the port that serves ours too: they execute, die, stand still and come back."""

from __future__ import annotations

import pytest
from ledger import Ledger, Load
from processes import PATIENCE_S, Platform, Process, eventually, lasts

from mpcsfaas import Client, TaskFailed

# The original's workers beat each second and are taken for dead after three without a beat.
LONGER_THAN_THE_TIMEOUT_S = 5.0

flows = pytest.mark.parametrize("mode", ["pull", "push"])


def start(platform: Platform, mode: str) -> tuple[Process, Process]:
    """A platform with one worker of the original's kind: the dispatcher and the worker."""
    platform.store()
    platform.gateway()
    dispatcher = platform.dispatcher(mode)
    return dispatcher, platform.legacy_worker(mode, 2, "the-worker")


def run_some(client: Client, ledger: Ledger, name: str, count: int = 10) -> list[str]:
    """Runs some short tasks, each of which must be executed once."""
    function = client.register(ledger.sleeper())
    tasks = [f"{name}-{number}" for number in range(count)]
    handles = [function.submit(task, 0.05) for task in tasks]
    assert [handle.result(PATIENCE_S) for handle in handles] == [task[::-1] for task in tasks]
    assert [len(ledger.executions(task)) for task in tasks] == [1] * count
    return tasks


def all_at(worker: Process, ledger: Ledger, tasks: list[str]) -> bool:
    return all(execution.at(worker) for task in tasks for execution in ledger.executions(task))


@flows
def test_executes(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    dispatcher, worker = start(platform, mode)
    assert all_at(worker, ledger, run_some(client, ledger, "task"))

    def planned() -> None:
        raise ValueError("no such luck")

    with pytest.raises(TaskFailed, match="no such luck"):
        client.submit(planned).result(PATIENCE_S)
    # Its beats alone keep it among the living, idle or busy.
    lasts(LONGER_THAN_THE_TIMEOUT_S)
    long = client.register(ledger.gated("long")).submit("long")
    ledger.wait_until_started("long")
    lasts(LONGER_THAN_THE_TIMEOUT_S)
    ledger.open_gate("long")
    assert long.result(PATIENCE_S) == "gnol"
    assert all_at(worker, ledger, run_some(client, ledger, "more"))
    assert not ledger.repeated()
    assert "declared dead" not in dispatcher.log()


@flows
def test_dies_and_comes_back(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    _, worker = start(platform, mode)
    function = client.register(ledger.gated("end"))
    # Two run, and two wait in the worker's pool.
    handles = {task: function.submit(task) for task in ("a", "b", "c", "d")}
    eventually("two tasks run", lambda: len(ledger.started()) == 2)
    worker.kill_tree()
    native = platform.worker(mode, 4)
    # One after the other: tasks that have lost a worker do not share the next one.
    ledger.open_gate("end")
    assert {task: handle.result(PATIENCE_S) for task, handle in handles.items()} == {task: task for task in handles}
    repeated = ledger.repeated().values()
    assert len(repeated) == 2
    assert all(executions[0].at(worker) and executions[1].at(native) for executions in repeated)
    native.terminate()
    assert native.exit_code() == 0
    back = platform.legacy_worker(mode, 2, "the-worker")
    assert all_at(back, ledger, run_some(client, ledger, "again"))


@flows
def test_paused(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    """In the original a paused worker is declared dead, and gets no task ever again."""
    dispatcher, worker = start(platform, mode)
    run_some(client, ledger, "before")
    worker.pause()
    eventually("it is taken for dead", lambda: "declared dead" in dispatcher.log(), 20)
    worker.resume()
    assert all_at(worker, ledger, run_some(client, ledger, "after"))


@flows
def test_dispatcher_restarted(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    """The original's pull worker waits for the lost answer, for ever; its push worker's next beat seats it again."""
    dispatcher, worker = start(platform, mode)
    run_some(client, ledger, "before")
    dispatcher.kill()
    platform.dispatcher(mode)
    if mode == "pull":
        worker.kill_tree()
        worker = platform.legacy_worker(mode, 2, "the-worker")
    assert all_at(worker, ledger, run_some(client, ledger, "after"))


@flows
def test_beside_native_workers(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    _, legacy = start(platform, mode)
    native = platform.worker(mode, 2)
    load = Load(client, ledger, tasks=120, per_second=40)
    load.finish()
    assert not ledger.repeated()
    workers = {execution.worker for task in ledger.started() for execution in ledger.executions(task)}
    assert workers == {legacy.pid, native.pid}
