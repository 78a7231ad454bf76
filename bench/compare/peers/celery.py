"""Celery, on Redis."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from celery import Celery as App

from compare.children import Server
from compare.peers.peer import PATIENCE_S, REDIS_URL, Peer, each

app = App("compare", broker=REDIS_URL, backend=REDIS_URL)
TASKS = each(lambda function: app.task(name=function.__name__)(function))


class Celery(Peer):
    """Prefork workers, with Redis as broker and as result backend, and otherwise as it is by default.

    A message is acknowledged before its task runs (`acks_late` is off), so the tasks of a killed worker are lost.
    """

    package = "celery"

    def start(self) -> None:
        command = [self.setting.programs / "celery", "-A", __name__, "worker", "-P", "prefork"]
        command += ["-c", self.setting.processes, "--loglevel", "WARNING"]
        self._workers = Server("celery", command, self.setting.scratch)

    def submit(self, name: str) -> Any:
        return TASKS[name].delay()

    def result(self, handle: Any) -> Any:
        return handle.get(timeout=PATIENCE_S, interval=0.001)

    def when_done(self, handle: Any, finished: Callable[[Any], None]) -> bool:
        handle.then(lambda done: finished(done.result))
        return True

    def pump(self, seconds: float) -> None:
        """Its client hears of results only while somebody asks; and it may be asked by one thread only."""
        consumer = app.backend.result_consumer
        if consumer._pubsub is None:
            time.sleep(seconds)
        else:
            consumer.drain_events(timeout=max(seconds, 0.0002))

    def stop(self) -> None:
        self._workers.stop()
