"""RQ, on Redis."""

from __future__ import annotations

from typing import Any

from redis import Redis
from rq import Queue

from compare.children import Server
from compare.peers.peer import PATIENCE_S, REDIS_URL, Peer
from compare.work import WORK


class Rq(Peer):
    """`SimpleWorker`s, which run jobs in their own process (the default worker forks for each job, and is far slower).

    A job of a dead worker fails when the registry of started jobs is next cleaned, unless it has retries.
    """

    package = "rq"

    def start(self) -> None:
        self._queue = Queue("compare", connection=Redis.from_url(REDIS_URL))
        command = [self.setting.programs / "rq", "worker-pool", "compare", "-n", self.setting.processes, "-q"]
        command += ["-u", REDIS_URL, "-w", "rq.worker.SimpleWorker"]
        self._workers = Server("rq", command, self.setting.scratch)

    def submit(self, name: str) -> Any:
        return self._queue.enqueue(WORK[name])

    def result(self, handle: Any) -> Any:
        return handle.latest_result(timeout=round(PATIENCE_S)).return_value

    def stop(self) -> None:
        self._workers.stop()
