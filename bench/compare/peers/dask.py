"""Dask's distributed scheduler."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from dask.distributed import Client

from compare.children import START_S, Server, free_port
from compare.peers.peer import FuturePeer
from compare.work import WORK


class Dask(FuturePeer):
    """Scheduler and workers (one thread each) as processes of their own; results are taken by one `gather` of all.

    Tasks exist in the scheduler's memory. Those of a dead worker are run again.
    """

    package = "distributed"

    def start(self) -> None:
        self._servers: list[Server] = []
        address = f"tcp://127.0.0.1:{free_port()}"
        ours = ["--host", "127.0.0.1", "--no-dashboard"]
        self._run("scheduler", "--port", address.rpartition(":")[2], *ours)
        workers = ["--nworkers", self.setting.processes, "--nthreads", 1, "--local-directory", self.setting.scratch]
        self._run("worker", address, *workers, *ours)
        self._client = Client(address, timeout=START_S)
        self._client.wait_for_workers(self.setting.processes, timeout=START_S)

    def _run(self, command: str, *arguments: object) -> None:
        words = [self.setting.programs / "dask", command, *arguments]
        self._servers.append(Server(f"dask-{command}", words, self.setting.scratch))

    def submit(self, name: str) -> Future[Any]:
        # Not pure: else the same call is the same task, which is run once.
        handle: Future[Any] = self._client.submit(WORK[name], pure=False)
        return handle

    def results(self, handles: list[Any]) -> list[Any]:
        found: list[Any] = self._client.gather(handles)
        return found

    def stop(self) -> None:
        self._client.close()
        for server in reversed(self._servers):
            server.stop()
