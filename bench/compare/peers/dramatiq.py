"""Dramatiq, on Redis."""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from compare.children import Server
from compare.peers.peer import PATIENCE_S, REDIS_URL, Peer, each

broker = RedisBroker(url=REDIS_URL)
broker.add_middleware(Results(backend=RedisBackend(url=REDIS_URL)))
dramatiq.set_broker(broker)
TASKS = each(lambda function: dramatiq.actor(function, store_results=True))


class Dramatiq(Peer):
    """The Redis broker with the Redis result backend; threads in each process as they are by default (8).

    Tasks are acknowledged after they ran, and those of a dead worker are run again once it has sent no heartbeat for
    a minute.
    """

    package = "dramatiq"

    def start(self) -> None:
        command = [self.setting.programs / "dramatiq", __name__, "--processes", self.setting.processes]
        if self.setting.one_each:
            command += ["--threads", 1]
        self._workers = Server("dramatiq", command, self.setting.scratch)

    def submit(self, name: str) -> Any:
        return TASKS[name].send()

    def result(self, handle: Any) -> Any:
        return handle.get_result(block=True, timeout=round(1_000 * PATIENCE_S))

    def stop(self) -> None:
        self._workers.stop()
