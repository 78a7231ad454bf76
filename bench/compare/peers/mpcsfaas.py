"""Ours, through its Python client as a user has it: one client, a `submit` for each task, `result` for each handle."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from typing import Any, ClassVar

from mpcsfaas import Client

from compare.children import Server, free_port
from compare.peers.peer import PATIENCE_S, REDIS_URL, Peer
from compare.work import WORK


class OnRedis(Peer):
    """Gateway, dispatcher and one worker of so many Python processes, on Redis, in push mode.

    Every task is in Redis before the client is told that it is accepted. Results are committed once, whatever dies;
    the tasks of a dead worker run again within seconds.
    """

    package = "mpcsfaas"
    mode: ClassVar[str] = "push"

    def start(self) -> None:
        self._servers: list[Server] = []
        self._port = free_port()
        self._serve()
        self._servers[0].wait_until(self._ready)
        self._client = Client(f"http://127.0.0.1:{self._port}", timeout=PATIENCE_S)

    def _serve(self) -> None:
        workers = free_port()
        processes = self.setting.processes
        self._run("gateway", "--port", self._port, "--redis", REDIS_URL)
        self._run("dispatcher", "-m", self.mode, "-p", workers, "-w", processes, "--redis", REDIS_URL)
        if self.mode != "local":
            self._run("worker", self.mode, processes, f"tcp://127.0.0.1:{workers}")

    def _run(self, command: str, *arguments: object) -> None:
        environment = {"MPCSFAAS_PYTHON": sys.executable, "MPCSFAAS_DATA": str(self.setting.scratch / "data")}
        words = [self.setting.binary, command, *arguments]
        self._servers.append(Server(f"mpcsfaas-{command}", words, self.setting.scratch, environment))

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def submit(self, name: str) -> Any:
        return self._client.submit(WORK[name])

    def result(self, handle: Any) -> Any:
        return handle.result(PATIENCE_S)

    def stop(self) -> None:
        # Workers first, the gateway last: each can say goodbye to whom it knows.
        for server in reversed(self._servers):
            server.stop()


class Pull(OnRedis):
    """As `mpcsfaas`, in pull mode: the worker asks for tasks."""

    mode = "pull"


class Local(OnRedis):
    """As `mpcsfaas`, in local mode: the dispatcher has the Python processes itself."""

    mode = "local"


class Embedded(OnRedis):
    """`mpcsfaas up`: everything in one process tree, and the store in a file, without a server.

    Every task is on disk (fsync) before the client is told that it is accepted.
    """

    durability: ClassVar[tuple[str, ...]] = ()

    def _serve(self) -> None:
        ports = ["--port", self._port, "--zmq-port", free_port()]
        workers = ["--workers", 1, "--processes", self.setting.processes]
        self._run("up", "--mode", self.mode, *workers, *ports, *self.durability)


class Unsynced(Embedded):
    """As `mpcsfaas-embedded`, with `--no-sync`: rows go to disk once a second, and nobody waits for that.

    A crash may lose the last second. The Redis of the others writes nothing to disk at all.
    """

    durability = ("--no-sync",)
