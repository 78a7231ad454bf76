"""The original's workers, as re-implemented in legacy/, against the smallest dispatcher that speaks their dialect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from fake_platform import pack, unpack

from mpcsfaas import _pickling

LEGACY = Path(__file__).parent / "legacy"
PATIENCE_MS = 20_000
TASKS = {"good": _pickling.encode(lambda x: 2 * x), "bad": _pickling.encode(lambda x: x / 0)}


@contextmanager
def worker(script: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of two processes that must end at SIGTERM."""
    with subprocess.Popen([sys.executable, str(LEGACY / script), "2", url, "--id", "the-worker"]) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_MS / 1000) == 0
        finally:
            process.kill()


@pytest.fixture
def sockets() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


def bound(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> tuple[zmq.Socket[bytes], str]:
    socket = context.socket(kind)
    socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    return socket, f"tcp://127.0.0.1:{port}"


def task(name: str) -> dict[str, Any]:
    return {"task_id": name, "fn_payload": TASKS[name], "param_payload": pack(((21,), {}))}


def check(results: dict[str, dict[str, Any]]) -> None:
    assert {name: (r["status"], unpack(r["result"])) for name, r in results.items()} == {
        "good": ("COMPLETED", 42),
        "bad": ("FAILED", "division by zero"),
    }


def test_pull(sockets: zmq.Context[zmq.Socket[bytes]]) -> None:
    socket, url = bound(sockets, zmq.REP)
    left, seen = ["good", "bad"], []
    results: dict[str, dict[str, Any]] = {}
    with worker("pull_worker.py", url):
        while len(results) < 2 or "heartbeat" not in seen:
            message: Any = socket.recv_json()
            assert message["worker_id"] == "the-worker"
            seen.append(message["type"])
            answer: dict[str, Any] = {"status": "ok"}
            if message["type"] == "request_task":
                answer = {"status": "ok", **task(left.pop())} if left else {"status": "no_task"}
            elif message["type"] == "task_result":
                results[message["task_id"]] = message
            socket.send_json(answer)
    assert seen[0] == "register"
    check(results)


def test_push(sockets: zmq.Context[zmq.Socket[bytes]]) -> None:
    socket, url = bound(sockets, zmq.ROUTER)
    seen = []
    results: dict[str, dict[str, Any]] = {}

    def send(message: dict[str, Any]) -> None:
        socket.send(b"the-worker", zmq.SNDMORE)
        socket.send_json(message)

    with worker("push_worker.py", url):
        while len(results) < 2 or "heartbeat" not in seen:
            assert socket.recv() == b"the-worker"
            message: Any = socket.recv_json()
            assert message["worker_id"] == "the-worker"
            seen.append(message["type"])
            if message["type"] == "task_result":
                results[message["task_id"]] = message
            else:
                send({"type": message["type"], "status": "ok", "message": ""})
            if message["type"] == "register":
                for name in TASKS:
                    send({"type": "task", **task(name)})
    assert seen[0] == "register"
    check(results)


def test_push_gives_up_without_an_answer(sockets: zmq.Context[zmq.Socket[bytes]]) -> None:
    _, url = bound(sockets, zmq.ROUTER)
    with subprocess.Popen([sys.executable, str(LEGACY / "push_worker.py"), "1", url]) as process:
        assert process.wait(PATIENCE_MS / 1000) == os.EX_OK
