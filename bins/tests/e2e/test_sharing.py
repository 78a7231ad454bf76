"""Several of everything, nothing at all, and a store from which others delete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ledger import Ledger, Load
from processes import PATIENCE_S, Platform, eventually

from mpcsfaas import Client, TaskFailed, TaskHandle

CLIENT = Path(__file__).resolve().parents[3] / "clients/python"
LIVE_S = 150.0


@pytest.mark.parametrize("mode", ["pull", "push"])
def test_two_dispatchers_and_three_workers(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    platform.store()
    platform.gateway()
    port = platform.another_port()
    platform.dispatcher(mode)
    platform.dispatcher(mode, port=port)
    workers = [platform.worker(mode, 4), platform.worker(mode, 4, port=port), platform.worker(mode, 4, port=port)]
    load = Load(client, ledger, tasks=300, per_second=75.0)
    load.finish()
    assert not ledger.repeated()
    busy = {execution.worker for task in ledger.started() for execution in ledger.executions(task)}
    assert busy == {worker.pid for worker in workers}


def test_readiness_names_the_missing_part(platform: Platform) -> None:
    def missing(what: str | None) -> None:
        eventually(f"missing: {what}", lambda: platform.readiness().get("missing", "the gateway") == what)

    platform.gateway()
    missing("the store is away")
    platform.store()
    missing("no dispatcher is running")
    platform.dispatcher("push")
    missing("no dispatcher has a worker")
    worker = platform.worker("push", 1)
    missing(None)
    worker.kill()
    missing("no dispatcher has a worker")


@pytest.mark.parametrize("where", ["up", "redis"])
def test_unchanged_clients(platform: Platform, where: str) -> None:
    """The client's own tests, and those of a client of plain requests and dill."""
    if where == "up":
        platform.up("push")
    else:
        platform.store()
        platform.gateway()
        platform.dispatcher("pull")
        platform.worker("pull", 2)
        platform.worker("pull", 2)
    platform.wait_until_ready(workers=2)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "live", "-p", "no:cacheprovider"],
        cwd=CLIENT,
        env={**environment, "MPCSFAAS_TEST_URL": platform.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIVE_S,
        check=False,
    )
    print(tests.stdout.decode())
    assert tests.returncode == 0


@pytest.mark.parametrize("mode", ["local", "pull", "push"])
def test_rows_deleted_by_others(platform: Platform, client: Client, ledger: Ledger, mode: str) -> None:
    """The original's tests delete all functions and tasks of the store whenever they begin."""
    platform.store()
    platform.gateway()
    platform.dispatcher(mode)
    if mode != "local":
        platform.worker(mode, 2)
    with platform.store_client() as store:
        for turn in range(4):
            tasks = [f"turn-{turn}-{number}" for number in range(12)]
            function = client.register(ledger.sleeper())
            handles = {task: function.submit(task, 0.1) for task in tasks}
            if turn % 2 == 0:
                ledger.wait_until_started(tasks[0])
            keys = store.keys("function:*") + store.keys("task:*")
            assert keys
            store.delete(*keys)
            # Where nobody had fetched the function in time, that is what is said.
            assert all(outcome(handle) in (task[::-1], "function_missing") for task, handle in handles.items())
    kept = client.register(ledger.sleeper()).submit("kept", 0.0)
    assert kept.result(PATIENCE_S) == "tpek"
    assert not ledger.repeated()


def outcome(handle: TaskHandle[str]) -> str:
    """The result, or the kind of the failure."""
    try:
        return handle.result(PATIENCE_S)
    except TaskFailed as failure:
        return failure.kind


def test_store_emptied(platform: Platform, client: Client, ledger: Ledger) -> None:
    """What was in it is gone; what comes after runs."""
    platform.store()
    platform.gateway()
    platform.dispatcher("push")
    platform.worker("push", 2)
    client.register(ledger.gated("end")).submit("lost")
    ledger.wait_until_started("lost")
    with platform.store_client() as store:
        store.flushall()
    ledger.open_gate("end")
    function = client.register(ledger.sleeper())
    handles = {task: function.submit(task, 0.05) for task in ("a1", "b2", "c3", "d4")}
    assert {task: handle.result(PATIENCE_S) for task, handle in handles.items()} == {t: t[::-1] for t in handles}
