"""Real processes for one test: Redis, gateway, dispatchers, workers, `up`; on private ports, with private data.

Whatever a test starts carries a mark in its environment, which every child inherits. So what is left over is found by
the mark, whoever its parent is by then.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Callable, TypeVar

import psutil
import redis
import requests

T = TypeVar("T")

BINARY, REDIS_SERVER, PYTHON = (
    os.environ.get(name, "") for name in ("MPCSFAAS_BIN", "MPCSFAAS_REDIS_SERVER", "MPCSFAAS_TEST_PYTHON")
)
LEGACY_WORKERS = Path(__file__).resolve().parents[3] / "clients/python/tests/legacy"

# For whatever has no bound of its own: only a broken platform makes a test wait so long.
PATIENCE_S = 60.0
# The platform promises 2 s for the end of what a killed process had started; the rest is for a busy machine.
GONE_S = 6.0

_MARK = "MPCSFAAS_E2E_MARK"
_POLL_S = 0.02


def eventually(what: str, probe: Callable[[], T], within: float = PATIENCE_S) -> T:
    """Asks until the answer is true in Python's sense, and returns it."""
    deadline = time.monotonic() + within
    while True:
        late = time.monotonic() > deadline
        if answer := probe():
            return answer
        assert not late, f"not within {within} s: {what}"
        time.sleep(_POLL_S)


def lasts(seconds: float) -> None:
    """Lets a trouble last: its length is what is tested. Nothing is waited for in this way."""
    time.sleep(seconds)


class Process:
    """One process, with all that it prints in a file."""

    def __init__(self, name: str, command: Iterable[str], home: Path, mark: str) -> None:
        self.name = name
        self.log_path = home / f"{name}.log"
        # No PYTHON* of the tests' own: tasks run with what a user would have.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "MPCSFAAS_"))}
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home,
                env={**environment, _MARK: mark},
            )
        self.pid = self._child.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def running(self) -> bool:
        return self._child.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.running():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        self.send(signal.SIGKILL)
        self._child.wait(PATIENCE_S)

    def kill_tree(self) -> None:
        """SIGKILL, for a process whose children do not end with it."""
        children = self.descendants()
        self.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def terminate(self) -> None:
        """SIGTERM; does not wait."""
        self.send(signal.SIGTERM)

    def exit_code(self, within: float = PATIENCE_S) -> int:
        """Waits for the end."""
        return self._child.wait(within)

    def pause(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def descendants(self) -> list[psutil.Process]:
        return [] if not self.running() else psutil.Process(self.pid).children(recursive=True)


class Platform:
    """The processes of one test, which share a Redis and a gateway's port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.mark = uuid.uuid4().hex
        self.processes: list[Process] = []
        self.http_port = free_port()
        self.zmq_port = free_port()
        self.redis_port = free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"

    def another_port(self) -> int:
        """For a second dispatcher."""
        return free_port()

    def start(self, name: str, *command: str) -> Process:
        """Starts a process; its log is named after it and its number among those of the name."""
        number = sum(process.name.rpartition("-")[0] == name for process in self.processes) + 1
        process = Process(f"{name}-{number}", command, self.home, self.mark)
        self.processes.append(process)
        return process

    def store(self) -> Process:
        """A Redis that forgets nothing that it has acknowledged. Waits until it answers."""
        data = self.home / "redis"
        data.mkdir(exist_ok=True)
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        server = self.start("redis", REDIS_SERVER, "--port", str(self.redis_port), "--dir", str(data), *options)
        eventually("Redis answers", self._redis_answers)
        return server

    def store_client(self) -> redis.Redis:
        return redis.Redis(port=self.redis_port, socket_timeout=PATIENCE_S)

    def gateway(self) -> Process:
        return self.start("gateway", BINARY, "gateway", "--port", str(self.http_port), *self._redis_option())

    def dispatcher(self, mode: str, *, port: int | None = None, processes: int = 2) -> Process:
        options = ["-m", mode, "-p", str(port or self.zmq_port), "-w", str(processes), "--python", PYTHON]
        return self.start("dispatcher", BINARY, "dispatcher", *options, *self._redis_option())

    def worker(self, mode: str, processes: int, *, port: int | None = None) -> Process:
        address = f"tcp://127.0.0.1:{port or self.zmq_port}"
        return self.start("worker", BINARY, "worker", mode, str(processes), address, "--python", PYTHON)

    def legacy_worker(self, mode: str, processes: int, name: str) -> Process:
        """A worker of the original's kind."""
        script = str(LEGACY_WORKERS / f"{mode}_worker.py")
        address = f"tcp://127.0.0.1:{self.zmq_port}"
        return self.start("legacy", sys.executable, script, str(processes), address, "--id", name)

    def up(self, mode: str, *, workers: int = 2, processes: int = 2) -> Process:
        """Everything in one process tree; a second one in the same test has the same data."""
        options = ["--mode", mode, "--workers", str(workers), "--processes", str(processes), "--python", PYTHON]
        ports = ["--port", str(self.http_port), "--zmq-port", str(self.zmq_port)]
        return self.start("up", BINARY, "up", *options, *ports, "--data", str(self.home / "data"))

    def readiness(self) -> dict[str, object]:
        """What /readyz says, or nothing while nobody listens."""
        try:
            answer = requests.get(f"{self.url}/readyz", timeout=PATIENCE_S)
        except requests.ConnectionError:
            return {}
        body: dict[str, object] = answer.json()
        assert body["ready"] == (answer.status_code == 200)
        return body

    def wait_until_ready(self, *, workers: int = 1, dispatchers: int = 1) -> None:
        def counted() -> bool:
            seen = self.readiness()
            return (seen.get("workers"), seen.get("dispatchers")) == (workers, dispatchers)

        eventually(f"{workers} workers and {dispatchers} dispatchers", counted)

    def all_alive(self) -> list[psutil.Process]:
        """Everything that this test has started, and whatever that has started."""
        return [process for process in psutil.process_iter(["name"]) if _marked(process, self.mark)]

    def count(self, program: str) -> int:
        """How many processes of a program are running."""
        return sum(process.info["name"] == program for process in self.all_alive())

    def strays(self) -> list[psutil.Process]:
        """What runs without being one of `processes` or below one."""
        known: set[int] = set()
        for process in self.processes:
            if process.running():
                known |= {process.pid, *(child.pid for child in process.descendants())}
        return [process for process in self.all_alive() if process.pid not in known]

    def no_strays(self) -> None:
        """Whatever killed processes had started must be gone soon."""
        eventually("no process is left over", lambda: not self.strays(), GONE_S)

    def close(self) -> None:
        """Ends everything at once. That nothing survives it is part of every test."""
        for process in self.processes:
            process.resume()
            process.kill_tree() if process.name.startswith("legacy") else process.kill()
        try:
            eventually("no process is left over", lambda: not self.all_alive(), GONE_S)
        finally:
            for left in self.all_alive():
                left.kill()

    def _redis_option(self) -> list[str]:
        return ["--redis", f"redis://127.0.0.1:{self.redis_port}/0"]

    def _redis_answers(self) -> bool:
        try:
            with self.store_client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == mark)
    except psutil.Error:
        return False  # It has just ended, or belongs to somebody else.


def _port_range() -> range:
    """A part of its own for each of the processes that pytest spreads the tests over.

    All lie below the ports that the system gives to connections: one of those could take a port while the server that
    it belongs to is restarted.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    first = 11_000 + worker % 10 * 2_000
    return range(first, first + 2_000)


_used_ports: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    while True:
        port = random.choice(_port_range())
        if port in _used_ports:
            continue
        _used_ports.add(port)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
