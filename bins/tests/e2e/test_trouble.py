"""Parts of the platform die, stand still or come late under a steady load: every task ends with its right result.

Where nothing that runs tasks was killed or taken for dead, each task is executed exactly once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from ledger import Execution, Ledger, Load
from processes import PATIENCE_S, Platform, Process, eventually, lasts

from mpcsfaas import Client

PROCESSES = 4  # Python processes of each worker.

flows = pytest.mark.parametrize("mode", ["pull", "push"])
modes = pytest.mark.parametrize("mode", ["local", "pull", "push"])


class Parts(NamedTuple):
    """What is running."""

    redis: Process
    gateway: Process
    dispatcher: Process
    workers: list[Process]


def start(platform: Platform, mode: str) -> Parts:
    """One of each, and two workers."""
    return Parts(
        platform.store(),
        platform.gateway(),
        platform.dispatcher(mode, processes=2 * PROCESSES),
        [platform.worker(mode, PROCESSES) for _ in range(2) if mode != "local"],
    )


def check_all_processes_take_part(client: Client, ledger: Ledger, processes: int) -> None:
    """Every Python process gets a task while there are more tasks than all of them can hold."""
    function = client.register(ledger.gated("last"))
    handles = {task: function.submit(task) for task in (f"together-{number}" for number in range(3 * processes))}
    eventually(f"{processes} tasks run at once", lambda: len(ledger.started() & handles.keys()) == processes)
    ledger.open_gate("last")
    assert all(handle.result(PATIENCE_S) == task[::-1] for task, handle in handles.items())


@flows
def test_worker_before_dispatcher(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    worker = platform.worker(mode, PROCESSES)
    platform.store()
    platform.gateway()
    load = Load(client, ledger, tasks=50)
    lasts(6.0)  # The original's worker gives up after 5 s, and exits with code 0.
    platform.dispatcher(mode)
    load.finish()
    assert worker.running()
    assert not ledger.repeated()


@flows
def test_dispatcher_killed_and_restarted(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    parts = start(platform, mode)
    tasks = ["long-0", "long-1", "long-2"]
    long = client.register(ledger.gated("long"))
    handles = [long.submit(task) for task in tasks]
    ledger.wait_until_started(*tasks)
    load = Load(client, ledger)
    load.wait_until_started(40)
    parts.dispatcher.kill()
    lasts(1.0)
    platform.dispatcher(mode)
    load.wait_for_more(20)
    ledger.open_gate("long")
    assert [handle.result(PATIENCE_S) for handle in handles] == [task[::-1] for task in tasks]
    load.finish()
    # What ran meanwhile was taken over, not run again.
    assert not ledger.repeated()
    check_all_processes_take_part(client, ledger, 2 * PROCESSES)


@flows
def test_one_of_two_dispatchers_killed(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    parts = start(platform, mode)
    port = platform.another_port()
    dispatcher = platform.dispatcher(mode, port=port)
    orphan = platform.worker(mode, PROCESSES, port=port)
    load = Load(client, ledger)
    load.wait_until_started(40)
    dispatcher.kill()
    # The other dispatcher's workers do all the rest, and what the dead one had claimed when its lease is over.
    load.finish()
    assert all(ran_first_at(orphan, executions) for executions in ledger.repeated().values()), ledger.repeated()
    assert len(ledger.repeated()) <= 2 * PROCESSES
    platform.dispatcher(mode, port=port)
    check_all_processes_take_part(client, ledger, 3 * PROCESSES)
    assert all(worker.running() for worker in [orphan, *parts.workers])


@modes
def test_redis_restarted(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    parts = start(platform, mode)
    load = Load(client, ledger)
    load.wait_until_started(40)
    parts.redis.kill()
    lasts(2.0)
    platform.store()
    load.wait_for_more(20)
    load.finish()
    assert not ledger.repeated()


@modes
def test_redis_paused(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    parts = start(platform, mode)
    load = Load(client, ledger)
    load.wait_until_started(40)
    parts.redis.pause()
    lasts(6.0)
    parts.redis.resume()
    load.wait_for_more(20)
    load.finish()
    assert not ledger.repeated()


@pytest.mark.parametrize("what", ["alone", "with its Python processes"])
@flows
def test_worker_paused(platform: Platform, client: Client, ledger: Ledger, mode: str, what: str) -> None:
    parts = start(platform, mode)
    paused, other = parts.workers
    load = Load(client, ledger)
    load.wait_until_started(40)
    tree = paused.descendants() if what != "alone" else []
    paused.pause()
    for process in tree:
        process.suspend()
    lasts(10.0)  # Three times as long as the silence after which it is taken for dead.
    load.finish()
    for process in tree:
        process.resume()
    paused.resume()
    check_all_processes_take_part(client, ledger, 2 * PROCESSES)
    assert all(ran_first_at(paused, executions) for executions in ledger.repeated().values()), ledger.repeated()
    assert paused.running()
    assert other.running()


@flows
def test_worker_killed(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    parts = start(platform, mode)
    killed, other = parts.workers
    load = Load(client, ledger)
    load.wait_until_started(40)
    killed.kill()
    load.finish()
    repeated = ledger.repeated()
    assert all(ran_first_at(killed, executions) for executions in repeated.values()), repeated
    assert len(repeated) <= 2 * PROCESSES
    assert other.running()


@flows
def test_gateway_restarted(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    parts = start(platform, mode)
    load = Load(client, ledger)
    handle = client.register(ledger.gated("long")).submit("long")
    with ThreadPoolExecutor(1) as waiting:
        result = waiting.submit(handle.result, PATIENCE_S)
        ledger.wait_until_started("long")
        load.wait_until_started(40)
        parts.gateway.kill()
        lasts(1.0)
        platform.gateway()
        ledger.open_gate("long")
        assert result.result(PATIENCE_S) == "gnol"
    load.finish()
    assert not ledger.repeated()


def ran_first_at(worker: Process, executions: list[Execution]) -> bool:
    """Whether a task that ran twice ran first where that is excused."""
    return len(executions) == 2 and executions[0].at(worker)
